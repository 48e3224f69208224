# Fetches every message with Net::POP3 into the files 1, 2, ... and deletes it.
use strict;
use warnings;
use Net::POP3;

my ($port, $user, $password, $ca, $mode) = @ARGV;
my %tls = (SSL_ca_file => $ca, SSL_verifycn_name => 'localhost');
my $pop = Net::POP3->new('localhost', Port => $port, Timeout => 60, ($mode eq 'implicit' ? (SSL => 1, %tls) : ()))
    or die "no connection: $@\n";
if ($mode eq 'stls') {
    $pop->starttls(%tls) or die "no TLS\n";
}
defined $pop->login($user, $password) or die "login: ", $pop->message;
for my $number (sort { $a <=> $b } keys %{ $pop->list }) {
    open my $file, '>:raw', $number or die "$number: $!\n";
    $pop->get($number, $file) or die "RETR: ", $pop->message;
    close $file or die "$number: $!\n";
    $pop->delete($number) or die "DELE: ", $pop->message;
}
$pop->quit or die "QUIT: ", $pop->message;
