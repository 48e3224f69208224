from pillarbox.config.lines import line_numbers, nearest_line

TEXT = '''\
# a comment
[server]
hostname = "x"

[[listener]]
port = 1
proxy_protocol = [
    "10.0.0.0/8",
]
[[listener]]
"name" = 'b'
[[listener.cleartext_login]]
until = 2030-01-01
[[ listener . cleartext_login ]]  # second
reason = """
port = 3
"""
[domains."example.org"]
maildir = "/x"
[tls]
sni.x = 1
'''


def test_lines_of_tables_settings_and_lists_of_tables() -> None:
    lines = line_numbers(TEXT)
    assert lines["server",] == 2
    assert lines["server", "hostname"] == 3
    assert lines["listener", 0] == 5
    assert lines["listener", 0, "port"] == 6
    assert lines["listener", 1, "name"] == 11
    assert lines["listener", 1, "cleartext_login", 0, "until"] == 13
    assert lines["listener", 1, "cleartext_login", 1, "reason"] == 15
    assert lines["domains", "example.org", "maildir"] == 19
    assert lines["tls", "sni", "x"] == 21


def test_lines_inside_a_long_text_are_not_settings() -> None:
    assert ("listener", 1, "cleartext_login", 1, "port") not in line_numbers(TEXT)


def test_the_nearest_line_is_that_of_whatever_is_around() -> None:
    lines = line_numbers(TEXT)
    assert nearest_line(lines, ("listener", 0, "proxy_protocol", 0)) == 7
    assert nearest_line(lines, ("listener", 0, "missing")) == 5
    assert nearest_line(lines, ("nowhere", "x")) is None


def test_odd_lines_do_no_harm() -> None:
    line_numbers('[\n[[]]\n= 3\n[a."]\n"\\q" = 1\n]\n')
