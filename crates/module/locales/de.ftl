foot = Die Zwei-Faktor-Anmeldung schützt Ihren Zugang. Sie entschlüsselt keine alten Nachrichten: Dafür brauchen Sie ein anderes Ihrer Geräte oder Ihre Schlüsselsicherung.
# The button of clients: "Continue with ..."
provider = Passwort und Code

user-label = Benutzername
password-label = Passwort
next = Weiter
sign-in = Anmelden
confirm = Bestätigen

sign-in-title = Anmelden
sign-in-for = um fortzufahren mit { $target }
sign-in-wrong = Benutzername oder Passwort ist falsch. Prüfen Sie beides und versuchen Sie es noch einmal.
password-wrong = Das Passwort ist falsch. Versuchen Sie es noch einmal.

code-title = Code eingeben
code-label = Code aus Ihrer Authenticator-App
code-hint = Sechs Ziffern, mit oder ohne Leerzeichen.
use-recovery = Wiederherstellungscode verwenden
recovery-label = Wiederherstellungscode
recovery-hint = Einer der Codes, die Sie aufbewahrt haben. Jeder gilt einmal.
use-code = App verwenden
either-label = Code aus Ihrer Authenticator-App oder ein Wiederherstellungscode
code-wrong = Dieser Code ging nicht. Warten Sie auf den nächsten, bis zu 30 Sekunden, und prüfen Sie die Uhr Ihres Telefons.
code-locked = Codes Ihrer Authenticator-App sind nach zu vielen falschen gesperrt. Verwenden Sie einen Wiederherstellungscode oder fragen Sie Ihre Administration.
code-wait-seconds = { $count ->
    [one] Zu viele falsche Codes. Versuchen Sie es in einer Sekunde wieder; dieser Code wurde nicht verbraucht.
   *[other] Zu viele falsche Codes. Versuchen Sie es in { $count } Sekunden wieder; dieser Code wurde nicht verbraucht.
}
code-wait-minutes = { $count ->
    [one] Zu viele falsche Codes. Versuchen Sie es in einer Minute wieder; dieser Code wurde nicht verbraucht.
   *[other] Zu viele falsche Codes. Versuchen Sie es in { $count } Minuten wieder; dieser Code wurde nicht verbraucht.
}

continue-title = Fast fertig
continue-site = Die Website { $target } wird bei Ihrem Konto angemeldet.
continue-app = Eine App auf diesem Gerät, die „{ $target }“-Links öffnet, wird bei Ihrem Konto angemeldet.
continue-to = Weiter zu { $target }
continue-hint = Kennen Sie das nicht? Dann schließen Sie diese Seite: Niemand wird angemeldet.

confirm-title = Bestätigen Sie, dass Sie es sind
confirm-account = Konto
confirm-device = Gefragt von
confirm-address = Adresse
confirm-age = Wann
not-known = nicht bekannt
confirm-warning = Haben Sie das nicht eben in Ihrer App verlangt? Dann geben Sie nichts ein, schließen Sie diese Seite und ändern Sie Ihr Passwort.
age-now = Vor weniger als einer Minute
age-minutes = { $count ->
    [one] Vor einer Minute
   *[other] Vor { $count } Minuten
}
confirmed-title = Bestätigt
confirmed-text = Gehen Sie zurück zu Ihrer App. Sie können diese Seite schließen.

operation-remove-devices = { $count ->
    [0] Geräte entfernen
    [one] Dieses Gerät entfernen
   *[other] Diese { $count } Geräte entfernen
}
operation-password = Das Passwort ändern
operation-password-logout = Das Passwort ändern und alle anderen Geräte abmelden
operation-deactivate = Das Konto für immer löschen
operation-erase = Das Konto für immer löschen und seine Nachrichten entfernen
operation-signing-keys = Die kryptografische Identität zurücksetzen
operation-other = Vorgang „{ $name }“

trouble-go-on = Noch einmal
trouble-expired = Diese Seite ist abgelaufen
trouble-expired-text = Sie ist schon erledigt, oder sie hat länger als zehn Minuten gewartet, oder dieser Browser behält unsere Cookies nicht. Gehen Sie zurück zu Ihrer App und beginnen Sie von vorn.
trouble-used = Dieses Formular wurde schon gesendet
trouble-used-text = Es wird nur einmal angenommen. Sehen Sie nach, wie es jetzt steht.
trouble-forged = Dieses Formular ist veraltet
trouble-forged-text = Seit diese Seite geöffnet wurde, ging es in einem anderen Fenster weiter, oder dieser Browser hat unsere Cookies verworfen. Nichts wurde geändert. Öffnen Sie die Seite neu.
trouble-foreign = Das kam von einer anderen Website
trouble-foreign-text = Zu Ihrer Sicherheit dürfen nur unsere eigenen Seiten dieses Formular senden. Nichts wurde geändert. Gehen Sie zurück zu Ihrer App und beginnen Sie von vorn.
trouble-session = Hier wartet nichts
trouble-session-text = Diese Anfrage ist schon erledigt oder älter als zehn Minuten. Gehen Sie zurück zu Ihrer App und beginnen Sie von vorn.
trouble-order = Zuerst Ihr Passwort
trouble-order-text = Ihre App muss vor dieser Seite nach Ihrem Passwort fragen. Gehen Sie zurück zu Ihrer App und beginnen Sie dort von vorn.
trouble-in-app = Das braucht Ihren Code in der App
trouble-in-app-text = Die App will ein weiteres Gerät anmelden oder Ihre zweiten Faktoren ändern. Geben Sie den Code in der App selbst ein: Dafür nimmt ihn keine Seite an. Haben Sie nicht darum gebeten, geben Sie nichts ein und ändern Sie Ihr Passwort.
trouble-to-account = Zwei-Faktor-Anmeldung verwalten
trouble-target = Dieser Link führt nirgendwohin
trouble-target-text = Die App will an einer Adresse angemeldet werden, an die wir keine Anmeldung senden. Nichts wurde geändert. Sagen Sie es denen, die die App machen.
trouble-missing = Diese Seite gibt es nicht
trouble-missing-text = Prüfen Sie die Adresse oder gehen Sie zurück zu Ihrer App.
trouble-busy = Zu viel auf einmal
trouble-busy-text = Warten Sie einen Augenblick und versuchen Sie es wieder. Nichts wurde geändert.
trouble-down = Das geht gerade nicht
trouble-down-text = Der Server kann im Augenblick nicht entscheiden und lässt darum niemanden ein. Nichts wurde geändert. Versuchen Sie es später.
embedded-noscript = Diese Seite braucht JavaScript, um die Anmeldung an Ihre App zu geben. Schalten Sie es ein oder melden Sie sich auf anderem Weg an.
embedded-enroll = Dieser Server verlangt einen zweiten Faktor, und Ihr Konto hat noch keinen. Richten Sie zuerst einen ein und melden Sie sich dann hier wieder an.
embedded-renew = Kein Wiederherstellungscode ist übrig: Ein verlorenes Telefon sperrt Sie aus. Erstellen Sie bald neue, unter dieser Adresse:
embedded-go-on = Weiter zur App

account-title = Zwei-Faktor-Anmeldung
account-sign-in = um die Zwei-Faktor-Anmeldung zu verwalten
account-on = Ein: Die Anmeldung braucht Ihr Passwort und einen Code.
account-off = Aus: Ihr Passwort allein genügt zur Anmeldung.
account-why = Mit einem zweiten Faktor kommt niemand hinein, der nur Ihr Passwort kennt. Sie brauchen eine Authenticator-App auf Ihrem Telefon.
account-required = Dieser Server verlangt einen zweiten Faktor. Fügen Sie jetzt einen Authenticator hinzu.
account-required-until = Dieser Server verlangt einen zweiten Faktor. Bis { $when } geht es noch ohne; fügen Sie jetzt einen Authenticator hinzu.
account-disallowed = Dieser Server erlaubt keine zweiten Faktoren.
account-locked = Die Codes Ihrer Authenticatoren sind nach zu vielen falschen gesperrt. Fügen Sie einen neuen hinzu und entfernen Sie dann den alten.
account-by-recovery = Sie haben sich mit einem Wiederherstellungscode angemeldet. Ist Ihr Telefon verloren, fügen Sie jetzt das neue hinzu.
account-few = { $count ->
    [0] Kein Wiederherstellungscode ist übrig. Erstellen Sie jetzt neue, sonst sperrt ein verlorenes Telefon Sie aus.
    [one] Nur noch ein Wiederherstellungscode ist übrig. Erstellen Sie jetzt neue.
   *[other] Nur noch { $count } Wiederherstellungscodes sind übrig. Erstellen Sie jetzt neue.
}
authenticators = Authenticatoren
authenticator = Authenticator
authenticator-locked = Nach zu vielen falschen Codes gesperrt. Fügen Sie einen neuen hinzu und entfernen Sie dann diesen.
locked = Gesperrt
added = Hinzugefügt
added-on = hinzugefügt
last-used = Zuletzt benutzt
never = nie
back-to-account = Zurück zur Übersicht
add-authenticator = Authenticator hinzufügen
add-text = Geben Sie ihm einen Namen, an dem Sie ihn wiedererkennen. Halten Sie dann die App auf Ihrem Telefon bereit.
add-name-default = Telefon
add-next = QR-Code zeigen
name-label = Name
name-hint = Zum Beispiel: Telefon, Tablet, Passwortmanager.
name-wrong = Ein Name hat 1 bis 100 Zeichen, keines davon unsichtbar. Wählen Sie einen anderen.
rename = Namen speichern
remove = Entfernen
remove-text = Wenn Sie ihn entfernen, gelten seine Codes nicht mehr.
remove-last-text = Das ist der letzte. Wenn Sie ihn entfernen, ist die Zwei-Faktor-Anmeldung aus, und die Wiederherstellungscodes sind ungültig.
new-phone = Ich habe ein neues Telefon
new-phone-text = Zuerst wird das neue Telefon hinzugefügt, dann das alte entfernt. Bis das neue funktioniert, ändert sich nichts.
old-phone-title = Das neue funktioniert
old-phone-text = Entfernen Sie jetzt das alte, damit sich niemand damit anmeldet.
old-phone-keep = Behalten
setup-title = Code scannen
setup-scan = Öffnen Sie die Authenticator-App auf dem Telefon und scannen Sie damit dieses Bild.
setup-qr = QR-Code für Ihre Authenticator-App
setup-open = Die App ist auf diesem Gerät
setup-type = Keine Kamera? Tippen Sie diesen Schlüssel in die App:
setup-again = Ihre App hat das neue Konto schon. Geben Sie den Code ein, den sie jetzt zeigt.
setup-anew = Mit neuem QR-Code von vorn beginnen
first-code-label = Der Code, den die App jetzt zeigt
recovery-codes = Wiederherstellungscodes
recovery-left = { $count ->
    [one] Einer von 10 ist übrig. Jeder gilt einmal, anstelle eines Codes aus der App.
   *[other] { $count } von 10 sind übrig. Jeder gilt einmal, anstelle eines Codes aus der App.
}
recovery-renew = Neue Codes erstellen
recovery-title = Neue Wieder­herstellungs­codes?
recovery-text = Sie bekommen zehn neue Codes. Die alten gelten sofort nicht mehr.
codes-title = Ihre Wieder­herstellungs­codes
codes-text = Ist Ihr Telefon verloren, kommen Sie mit einem dieser Codes hinein. Jeder gilt einmal. Bewahren Sie sie so auf, dass Sie sie ohne das Telefon finden.
codes-copy = Kopieren
codes-copied = Kopiert. Fügen Sie es an einem sicheren Ort ein.
codes-download = Herunterladen
codes-print = Drucken
codes-print-text = Jeder Code gilt einmal. Bewahren Sie dieses Blatt sicher auf.
codes-once = Sie werden nur jetzt gezeigt. Sichern Sie sie, bevor Sie weitergehen.
codes-signed-out = Sie sind in allen Ihren Apps abgemeldet. Melden Sie sich dort wieder an, ab jetzt mit einem Code.
codes-saved = Ich habe sie gesichert
devices-button = Alle Geräte abmelden
devices-title = Alle Geräte abmelden?
devices-text = Jede App und jeder Browser dieses Kontos wird abgemeldet, auch diese Seite. Nachrichten, die nur diese Geräte entschlüsseln können, gehen vielleicht verloren: Prüfen Sie zuerst Ihre Schlüsselsicherung.
devices-done-title = Alle Geräte sind abgemeldet
devices-done-text = Melden Sie sich in den Apps, die Sie benutzen, wieder an. War jemand anderes in Ihrem Konto, ändern Sie auch Ihr Passwort.
off-title = Zwei-Faktor-Anmeldung ausschalten
off-text = Dann genügt Ihr Passwort allein zur Anmeldung. Alle Authenticatoren werden entfernt, und die Wiederherstellungscodes sind ungültig.
off-button = Ausschalten
more = Mehr
sign-out = Von dieser Seite abmelden
events = Letzte Ereignisse
events-none = Noch ist nichts geschehen.
event-on = Die Zwei-Faktor-Anmeldung wurde eingeschaltet
event-added = Ein Authenticator wurde hinzugefügt
event-setup-wrong = Ein falscher Code beim Hinzufügen eines Authenticators
event-code = Ein Code eines Authenticators wurde angenommen
event-wrong = Ein falscher Code nach dem richtigen Passwort
event-replayed = Ein Code wurde ein zweites Mal versucht
event-login-stopped = Eine Anmeldung ohne zweiten Faktor wurde abgebrochen
event-locked = Die Authenticatoren wurden nach zu vielen falschen Codes gesperrt
event-unlocked = Die Administration hat die Sperre aufgehoben
event-recovery-used = { $count ->
    [one] Ein Wiederherstellungscode wurde benutzt; einer ist übrig
   *[other] Ein Wiederherstellungscode wurde benutzt; { $count } sind übrig
}
event-recovery-renewed = Neue Wiederherstellungscodes wurden erstellt
event-recovery-removed = Die Wiederherstellungscodes wurden entfernt
event-renamed = Ein Authenticator wurde umbenannt
event-removed = Ein Authenticator wurde entfernt
event-off = Die Zwei-Faktor-Anmeldung wurde ausgeschaltet
event-reset = Die Administration hat alle zweiten Faktoren entfernt
event-forgotten = Das Konto wurde gelöscht
event-required = Ein zweiter Faktor wird ab jetzt verlangt
event-exempted = Ein zweiter Faktor wird vorerst nicht verlangt
event-exemption-over = Die Ausnahme vom zweiten Faktor ist beendet
event-code-issued = Ein Administrator hat einen Code für Sie ausgestellt
event-code-issued-used = Der Code des Administrators wurde verwendet
event-imported = Ein Administrator hat Ihre zweiten Faktoren von einem anderen Server übernommen
event-exported = Ein Administrator hat Ihre zweiten Faktoren für einen anderen Server ausgeleitet
event-restored = Der Server wurde aus einer Sicherung wiederhergestellt: die Wiederherstellungscodes gelten nicht mehr
done-renamed = Der Name ist gespeichert.
done-removed = Der Authenticator ist entfernt. Seine Codes gelten nicht mehr.
done-off = Die Zwei-Faktor-Anmeldung ist aus.
prove-title = Sind Sie es noch?
prove-text = Änderungen brauchen einen Nachweis, der höchstens zehn Minuten alt ist. Danach geht es weiter, wo Sie waren.
way-in-title = Zweiten Faktor einrichten
way-in-text = Dieser Server verlangt einen für jedes Konto. Sie brauchen eine Authenticator-App auf Ihrem Telefon; es dauert etwa zwei Minuten. Danach geht die Anmeldung weiter.
renew-title = Kein Wieder­herstellungs­code ist übrig
renew-text = Sie haben den letzten benutzt. Erstellen Sie neue, bevor es weitergeht: Ohne sie sperrt ein verlorenes Telefon Sie aus. Das dauert eine Minute, dann geht Ihre Anmeldung weiter.
way-in-until = Bis { $when } geht es noch ohne.
way-in-later = Jetzt nicht
trouble-signed-out = Sie sind hier abgemeldet
trouble-signed-out-text = Nach einer Stunde, oder wenn sich Ihr Passwort oder Ihre zweiten Faktoren anderswo ändern, müssen Sie sich auf dieser Seite neu anmelden. Nichts wurde geändert.
trouble-setup = Diese Einrichtung ist vorbei
trouble-setup-text = Sie wurde schon abgeschlossen, in einem anderen Fenster neu begonnen, hat länger als zehn Minuten gewartet oder fünf falsche Codes bekommen. Wiederherstellungscodes werden nur einmal gezeigt: Haben Sie sie nicht gesichert, erstellen Sie neue.
trouble-many = Es gibt schon zehn Authenticatoren
trouble-many-text = Entfernen Sie einen, den Sie nicht brauchen, und fügen Sie dann den neuen hinzu.
trouble-disallowed = Nicht auf diesem Server
trouble-required = Der letzte muss bleiben
trouble-required-text = Dieser Server verlangt einen zweiten Faktor. Fügen Sie zuerst einen anderen Authenticator hinzu und entfernen Sie dann diesen.
trouble-app = Das braucht einen Code aus Ihrer App
trouble-app-text = Mit einem Wiederherstellungscode können Sie Authenticatoren ersetzen und neue Codes erstellen, sonst nichts. Melden Sie sich mit einem Code aus Ihrer Authenticator-App an und versuchen Sie es noch einmal.

notice-account = Konto
notice-authenticator = Authenticator
notice-old-name = Alter Name
notice-new-name = Neuer Name
notice-when = Wann
notice-address = Adresse
notice-on = Die Zwei-Faktor-Anmeldung wurde eingeschaltet
notice-on-text = Zur Anmeldung gehört jetzt außer Ihrem Passwort ein Code aus Ihrer Authenticator-App.
notice-added = Ein Authenticator wurde hinzugefügt
notice-added-text = Mit seinen Codes und Ihrem Passwort kann man sich bei Ihrem Konto anmelden.
notice-removed = Ein Authenticator wurde entfernt
notice-removed-text = Seine Codes gelten nicht mehr.
notice-renamed = Ein Authenticator wurde umbenannt
notice-renamed-text = Sonst hat sich an ihm nichts geändert.
notice-off = Die Zwei-Faktor-Anmeldung wurde ausgeschaltet
notice-off-text = Jetzt genügt Ihr Passwort allein. Authenticatoren und Wiederherstellungscodes gibt es nicht mehr.
notice-recovery-used = Ein Wiederherstellungscode wurde benutzt
notice-recovery-used-text = { $count ->
    [0] Es war der letzte: Es ist keiner mehr übrig.
    [one] Ein Wiederherstellungscode ist noch übrig.
   *[other] { $count } Wiederherstellungscodes sind noch übrig.
}
notice-recovery-renewed = Neue Wiederherstellungscodes wurden erstellt
notice-recovery-renewed-text = Die alten gelten nicht mehr.
notice-recovery-removed = Die Wiederherstellungscodes wurden entfernt
notice-recovery-removed-text = Wer ohne sie das Telefon verliert, muss sich an die Administration wenden.
notice-reset = Die Administration hat Ihre zweiten Faktoren entfernt
notice-reset-text = Jetzt genügt Ihr Passwort allein. Richten Sie bald wieder einen zweiten Faktor ein.
notice-more = Es wurde mehr geändert, als wir einzeln melden
notice-more-text = In der letzten Stunde wurden die zweiten Faktoren Ihres Kontos so oft geändert, dass Ihnen bis zum Ablauf der Stunde nicht mehr jede Änderung gemeldet wird. Ihre Kontoseite zeigt alle.
notice-unlocked = Die Administration hat die Sperre aufgehoben
notice-unlocked-text = Codes Ihrer Authenticatoren gelten wieder.
notice-locked = Ihre Authenticatoren wurden gesperrt
notice-locked-text = Nach Ihrem richtigen Passwort kamen zu viele falsche Codes. Wiederherstellungscodes gelten weiter; mit einem davon können Sie einen neuen Authenticator einrichten, oder die Administration hebt die Sperre auf.
notice-password-known = Jemand hat Ihr Passwort
notice-password-known-text = Nach Ihrem richtigen Passwort kamen fünf falsche Codes hintereinander. Niemand wurde eingelassen.
notice-unfinished = Ihr Passwort wurde eingegeben, aber kein Code
notice-unfinished-text = Jemand hat Ihr richtiges Passwort eingegeben, und innerhalb von drei Minuten folgte kein zweiter Faktor. Niemand wurde eingelassen.
notice-code-issued = Die Administration hat einen Code für Sie ausgestellt
notice-code-issued-text = Er ersetzt einmal Ihren zweiten Faktor.
notice-issued-used = Der Code der Administration wurde verwendet
notice-issued-used-text = Er hat Ihren zweiten Faktor ersetzt und gilt nicht mehr.
notice-imported = Ihre zweiten Faktoren kommen von einem anderen Server
notice-imported-text = Die Administration hat sie hierher übernommen. Die Codes Ihrer Authenticator-App gelten wie bisher.
notice-renew = Erstellen Sie neue Wiederherstellungscodes, bevor der letzte benutzt ist.
notice-was-you = Waren Sie das? Dann ist nichts weiter zu tun.
notice-not-you = Waren Sie das nicht? Dann ändern Sie jetzt Ihr Passwort, melden Sie alle Geräte ab und sehen Sie Ihre zweiten Faktoren an.
notice-manage = Ihre zweiten Faktoren
notice-foot = { $server } schreibt Ihnen, weil es um die Sicherheit Ihres Kontos geht. Niemand dort wird Sie je nach einem Passwort oder einem Code fragen.
