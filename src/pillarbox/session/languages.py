"""The languages of LANG, and every reply text in each of them.

Rules: English is what the rest of the code writes, and is looked up here word for word; "{}" stands for what differs
from reply to reply. What programs read (STAT, LIST, UIDL, "n octets", response codes) is never translated. A text that
is missing is sent in English; a test sees to it that none is.
Serves RFC 6856 §3; matching is RFC 4647 §3.4 (lookup); "i-default" is RFC 2277 §4.5.
"""

from __future__ import annotations

import re

DEFAULT = "en"
"""What `LANG *` selects: the language the server prefers."""

LANGUAGES: dict[str, str] = {
    "en": "English",
    "de": "Deutsch",
    "fr": "Français",
    "es": "Español",
    "i-default": "Default language",
}
"""Language tags (RFC 5646) and their own names, as LANG lists them. "i-default" is English that everybody may meet."""

_COLUMNS = ("de", "fr", "es")

# English -> German, French, Spanish. Shown in mail programs' error windows: plain words, no blame.
_TEXTS: dict[str, tuple[str, str, str]] = {
    # ---- AUTHORIZATION
    "TLS is needed first: use STLS, or connect to the TLS port": (
        "zuerst ist TLS nötig: STLS senden oder den TLS-Port verwenden",
        "TLS est requis d'abord : utilisez STLS ou le port TLS",
        "primero se necesita TLS: use STLS o conéctese al puerto TLS",
    ),
    "TLS is active already": ("TLS ist schon aktiv", "TLS est déjà actif", "TLS ya está activo"),
    "TLS is not available here": (
        "TLS ist hier nicht verfügbar",
        "TLS n'est pas disponible ici",
        "TLS no está disponible aquí",
    ),
    "begin TLS now": ("jetzt TLS beginnen", "commencez TLS maintenant", "inicie TLS ahora"),
    "send PASS": ("bitte PASS senden", "envoyez PASS", "envíe PASS"),
    "APOP is not available": ("APOP ist nicht verfügbar", "APOP n'est pas disponible", "APOP no está disponible"),
    "UTF-8 mode": ("UTF-8-Modus", "mode UTF-8", "modo UTF-8"),
    "languages follow": ("es folgen die Sprachen", "voici les langues", "siguen los idiomas"),
    "that language is not available": (
        "diese Sprache ist nicht verfügbar",
        "cette langue n'est pas disponible",
        "ese idioma no está disponible",
    ),
    "{} language changed": ("{} Sprache geändert", "{} langue modifiée", "{} idioma cambiado"),
    "mechanisms follow": ("es folgen die Mechanismen", "voici les mécanismes", "siguen los mecanismos"),
    "that mechanism is not available": (
        "dieser Mechanismus ist nicht verfügbar",
        "ce mécanisme n'est pas disponible",
        "ese mecanismo no está disponible",
    ),
    "exchange cancelled": ("Austausch abgebrochen", "échange annulé", "intercambio cancelado"),
    "authentication exchange failed": (
        "Austausch zur Anmeldung fehlgeschlagen",
        "échec de l'échange d'authentification",
        "falló el intercambio de autenticación",
    ),
    "login failed": ("Anmeldung fehlgeschlagen", "échec de la connexion", "no se pudo iniciar sesión"),
    "login is not possible now, please try again later": (
        "Anmeldung zurzeit nicht möglich, bitte später erneut versuchen",
        "connexion impossible pour le moment, veuillez réessayer plus tard",
        "ahora no es posible iniciar sesión, inténtelo más tarde",
    ),
    "this account cannot be used, please ask your administrator": (
        "dieses Konto kann nicht verwendet werden, bitte fragen Sie Ihren Administrator",
        "ce compte ne peut pas être utilisé, veuillez contacter votre administrateur",
        "esta cuenta no se puede usar, consulte a su administrador",
    ),
    "too soon after the last login, please wait": (
        "zu kurz nach der letzten Anmeldung, bitte warten",
        "trop tôt après la dernière connexion, veuillez patienter",
        "demasiado pronto tras el último inicio de sesión, espere",
    ),
    "too many sessions of this account": (
        "zu viele Sitzungen dieses Kontos",
        "trop de sessions pour ce compte",
        "demasiadas sesiones de esta cuenta",
    ),
    "your maildrop is in use by another session": (
        "Ihr Postfach wird von einer anderen Sitzung benutzt",
        "votre boîte est utilisée par une autre session",
        "otra sesión está usando su buzón",
    ),
    "your maildrop cannot be opened": (
        "Ihr Postfach kann nicht geöffnet werden",
        "votre boîte ne peut pas être ouverte",
        "no se puede abrir su buzón",
    ),
    "{} messages ({} octets)": ("{} Nachrichten ({} Oktette)", "{} messages ({} octets)", "{} mensajes ({} octetos)"),
    # ---- TRANSACTION and UPDATE
    "message deleted": ("Nachricht gelöscht", "message supprimé", "mensaje borrado"),
    "no such message": ("keine solche Nachricht", "message inexistant", "no existe ese mensaje"),
    "that message is marked as deleted": (
        "diese Nachricht ist als gelöscht markiert",
        "ce message est marqué comme supprimé",
        "ese mensaje está marcado como borrado",
    ),
    "that message was removed or altered by another program": (
        "diese Nachricht wurde von einem anderen Programm entfernt oder verändert",
        "ce message a été retiré ou modifié par un autre programme",
        "otro programa eliminó o modificó ese mensaje",
    ),
    "that message cannot be read now": (
        "diese Nachricht kann zurzeit nicht gelesen werden",
        "ce message ne peut pas être lu pour le moment",
        "ese mensaje no se puede leer ahora",
    ),
    "this maildrop is read-only": (
        "dieses Postfach kann nur gelesen werden",
        "cette boîte est en lecture seule",
        "este buzón es de solo lectura",
    ),
    "this maildrop is read-only, nothing was removed": (
        "dieses Postfach kann nur gelesen werden, nichts wurde gelöscht",
        "cette boîte est en lecture seule, rien n'a été supprimé",
        "este buzón es de solo lectura, no se borró nada",
    ),
    "done": ("erledigt", "terminé", "hecho"),
    "bye": ("auf Wiedersehen", "au revoir", "adiós"),
    "unique-ids follow": ("es folgen die Kennungen", "voici les identifiants", "siguen los identificadores"),
    "top of message follows": (
        "es folgt der Anfang der Nachricht",
        "voici le début du message",
        "sigue el principio del mensaje",
    ),
    "some deleted messages not removed": (
        "einige gelöschte Nachrichten wurden nicht entfernt",
        "certains messages supprimés n'ont pas été retirés",
        "algunos mensajes borrados no se eliminaron",
    ),
    "deleted messages not removed": (
        "gelöschte Nachrichten wurden nicht entfernt",
        "les messages supprimés n'ont pas été retirés",
        "los mensajes borrados no se eliminaron",
    ),
    # ---- anywhere
    "capabilities follow": ("es folgen die Fähigkeiten", "voici les capacités", "siguen las capacidades"),
    "internal error": ("interner Fehler", "erreur interne", "error interno"),
    "too many bad commands": (
        "zu viele falsche Befehle",
        "trop de commandes incorrectes",
        "demasiadas órdenes incorrectas",
    ),
    "unknown command": ("unbekannter Befehl", "commande inconnue", "orden desconocida"),
    "command line too long": (
        "Befehlszeile zu lang",
        "ligne de commande trop longue",
        "línea de orden demasiado larga",
    ),
    "NUL in a command": ("NUL in einem Befehl", "NUL dans une commande", "NUL en una orden"),
    "control character in a command": (
        "Steuerzeichen in einem Befehl",
        "caractère de contrôle dans une commande",
        "carácter de control en una orden",
    ),
    "that is not a message number": (
        "das ist keine Nachrichtennummer",
        "ce n'est pas un numéro de message",
        "eso no es un número de mensaje",
    ),
    "that is not a number of lines": (
        "das ist keine Anzahl von Zeilen",
        "ce n'est pas un nombre de lignes",
        "eso no es un número de líneas",
    ),
    "{} takes no argument": (
        "{} hat kein Argument",
        "{} ne prend pas d'argument",
        "{} no admite argumentos",
    ),
    "{} needs a message number": (
        "{} braucht eine Nachrichtennummer",
        "{} exige un numéro de message",
        "{} necesita un número de mensaje",
    ),
    "{} needs a name": ("{} braucht einen Namen", "{} exige un nom", "{} necesita un nombre"),
    "TOP needs a message number and a number of lines": (
        "TOP braucht eine Nachrichtennummer und eine Zeilenanzahl",
        "TOP exige un numéro de message et un nombre de lignes",
        "TOP necesita un número de mensaje y un número de líneas",
    ),
    "USER comes first": ("zuerst kommt USER", "USER doit venir d'abord", "primero va USER"),
    "not possible after login": (
        "nach der Anmeldung nicht möglich",
        "impossible après la connexion",
        "no es posible tras iniciar sesión",
    ),
    "log in first": ("bitte zuerst anmelden", "connectez-vous d'abord", "inicie sesión primero"),
}

_TEMPLATES = [
    (re.compile(re.escape(text).replace(r"\{\}", r"(\S+)")), translations)
    for text, translations in _TEXTS.items()
    if "{}" in text
]


def matching(asked: str) -> str | None:
    """The language tag that serves what a client asked for: itself, or its beginning; None when there is none."""
    tag = asked.strip().lower()
    if tag == "*":
        return DEFAULT
    while tag and tag not in LANGUAGES:
        tag = tag.rpartition("-")[0]
    return tag or None


def translate(text: str, language: str) -> str:
    """A reply text in a language; unchanged where there is no translation."""
    if language not in _COLUMNS:
        return text
    column = _COLUMNS.index(language)
    known = _TEXTS.get(text)
    if known is not None:
        return known[column]
    for pattern, translations in _TEMPLATES:
        found = pattern.fullmatch(text)
        if found is not None:
            return translations[column].format(*found.groups())
    return text
