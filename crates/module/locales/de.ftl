foot = Die Zwei-Faktor-Anmeldung schützt Ihren Zugang. Sie entschlüsselt keine alten Nachrichten: Dafür brauchen Sie ein anderes Ihrer Geräte oder Ihre Schlüsselsicherung.

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
operation-signing-keys = Die kryptografische Identität zurücksetzen
operation-get-token = Ein weiteres Gerät anmelden
operation-enroll = Einen Authenticator hinzufügen
operation-recovery = Die Wiederherstellungscodes ersetzen
operation-disable = Die Zwei-Faktor-Anmeldung ausschalten
operation-remove-authenticator = Einen Authenticator entfernen
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
trouble-target = Dieser Link führt nirgendwohin
trouble-target-text = Die App will an einer Adresse angemeldet werden, an die wir keine Anmeldung senden. Nichts wurde geändert. Sagen Sie es denen, die die App machen.
trouble-missing = Diese Seite gibt es nicht
trouble-missing-text = Prüfen Sie die Adresse oder gehen Sie zurück zu Ihrer App.
trouble-busy = Zu viel auf einmal
trouble-busy-text = Warten Sie einen Augenblick und versuchen Sie es wieder. Nichts wurde geändert.
trouble-down = Das geht gerade nicht
trouble-down-text = Der Server kann im Augenblick nicht entscheiden und lässt darum niemanden ein. Nichts wurde geändert. Versuchen Sie es später.
embedded-noscript = Diese Seite braucht JavaScript, um die Anmeldung an Ihre App zu geben. Schalten Sie es ein oder melden Sie sich auf anderem Weg an.
