foot = Two-factor authentication protects your sign-in. It does not decrypt your message history: that needs another of your devices or your key backup.
# The button of clients: "Continue with ..."
provider = password and code

user-label = User name
password-label = Password
next = Next
sign-in = Sign in
confirm = Confirm

sign-in-title = Sign in
sign-in-for = to continue to { $target }
sign-in-wrong = The user name or the password is wrong. Check both and try again.
password-wrong = The password is wrong. Try again.

code-title = Enter your code
code-label = Code from your authenticator app
code-hint = Six digits, with or without a space.
use-recovery = Use a recovery code
recovery-label = Recovery code
recovery-hint = One of the codes that you saved. Each works once.
use-code = Use the app
either-label = Code from your authenticator app, or a recovery code
code-wrong = That code did not work. Wait for the next one, up to 30 seconds, and check your phone’s clock.
code-locked = Codes of your authenticator app are locked after too many wrong ones. Use a recovery code, or ask your administrator.
code-wait-seconds = { $count ->
    [one] Too many wrong codes. Try again in one second; this code was not used.
   *[other] Too many wrong codes. Try again in { $count } seconds; this code was not used.
}
code-wait-minutes = { $count ->
    [one] Too many wrong codes. Try again in one minute; this code was not used.
   *[other] Too many wrong codes. Try again in { $count } minutes; this code was not used.
}

continue-title = Almost there
continue-site = The website { $target } will be signed in to your account.
continue-app = An app on this device that opens “{ $target }” links will be signed in to your account.
continue-to = Continue to { $target }
continue-hint = Do you not know it? Then close this page: nobody is signed in.

confirm-title = Confirm that it is you
confirm-account = Account
confirm-device = Asked by
confirm-address = Address
confirm-age = When
not-known = not known
confirm-warning = Did you not just ask for this in your app? Then enter nothing, close this page, and change your password.
age-now = Less than a minute ago
age-minutes = { $count ->
    [one] One minute ago
   *[other] { $count } minutes ago
}
confirmed-title = Confirmed
confirmed-text = Go back to your app. You can close this page.

operation-remove-devices = { $count ->
    [0] Remove devices
    [one] Remove this device
   *[other] Remove these { $count } devices
}
operation-password = Change the password
operation-password-logout = Change the password and sign out all other devices
operation-deactivate = Delete the account for ever
operation-erase = Delete the account for ever and erase its messages
operation-signing-keys = Reset the cryptographic identity
operation-other = Operation “{ $name }”

trouble-go-on = Try again
trouble-expired = This page is over
trouble-expired-text = It was finished already, or it waited longer than ten minutes, or this browser does not keep our cookies. Go back to your app and start again.
trouble-used = This form was sent already
trouble-used-text = It is taken only once. See where things stand now.
trouble-forged = This form is out of date
trouble-forged-text = Since this page was opened, things went on in another window, or this browser dropped our cookies. Nothing was changed. Open the page anew.
trouble-foreign = Another website sent this
trouble-foreign-text = For your safety only our own pages may send this form. Nothing was changed. Go back to your app and start again.
trouble-session = Nothing is waiting here
trouble-session-text = This request is finished already, or it is older than ten minutes. Go back to your app and start again.
trouble-order = First your password
trouble-order-text = Your app has to ask for your password before this page. Go back to your app and start again there.
trouble-in-app = This needs your code in the app
trouble-in-app-text = The app asked to sign in another device or to change your second factors. Type your code in the app itself: no page takes it for that. If you did not ask for this, enter nothing and change your password.
trouble-to-account = Manage two-factor authentication
trouble-target = This link leads nowhere
trouble-target-text = The app asked to be signed in at an address that we send no sign-in to. Nothing was changed. Tell whoever makes the app.
trouble-missing = There is no such page
trouble-missing-text = Check the address, or go back to your app.
trouble-busy = Too much at once
trouble-busy-text = Wait a moment and try again. Nothing was changed.
trouble-down = That does not work right now
trouble-down-text = The server cannot decide at the moment, so it lets nobody in. Nothing was changed. Try again later.
embedded-noscript = This page needs JavaScript to hand the sign-in to your app. Turn it on, or choose another way to sign in.
embedded-enroll = This server requires a second factor, and your account has none yet. Set one up first, then sign in here again.
embedded-renew = No recovery code is left: a lost phone locks you out. Make new ones soon, at this address:
embedded-go-on = Go on to the app

account-title = Two-factor authentication
account-sign-in = to manage two-factor authentication
account-on = On: signing in needs your password and a code.
account-off = Off: your password alone signs in.
account-why = With a second factor nobody gets in who only knows your password. You need an authenticator app on your phone.
account-required = This server requires a second factor. Add an authenticator now.
account-required-until = This server requires a second factor. You can go on without one until { $when }; add an authenticator now.
account-disallowed = This server does not allow second factors.
account-locked = Codes of your authenticators are locked after too many wrong ones. Add a new authenticator, then remove the old one.
account-by-recovery = You signed in with a recovery code. If your phone is lost, add the new one now.
account-few = { $count ->
    [0] No recovery code is left. Make new ones now, or a lost phone locks you out.
    [one] Only one recovery code is left. Make new ones now.
   *[other] Only { $count } recovery codes are left. Make new ones now.
}
authenticators = Authenticators
authenticator = Authenticator
authenticator-locked = Locked after too many wrong codes. Add a new authenticator, then remove this one.
locked = Locked
added = Added
added-on = added
last-used = Last used
never = never
back-to-account = Back to the overview
add-authenticator = Add an authenticator
add-text = Give it a name, so that you know it again. Then have the app ready on your phone.
add-name-default = Phone
add-next = Show the QR code
name-label = Name
name-hint = For example: Phone, tablet, password manager.
name-wrong = A name has 1 to 100 characters, none of them invisible. Choose another one.
rename = Save the name
remove = Remove
remove-text = If you remove it, its codes do not work any more.
remove-last-text = This is the last one. If you remove it, two-factor authentication is off and the recovery codes are void.
new-phone = I have a new phone
new-phone-text = First the new phone is added, then the old one removed. Until the new one works, nothing changes.
old-phone-title = The new one works
old-phone-text = Now remove the old one, so that nobody signs in with it.
old-phone-keep = Keep it
setup-title = Scan the code
setup-scan = Open your authenticator app on the phone and scan this picture with it.
setup-qr = QR code for your authenticator app
setup-open = The app is on this device
setup-type = No camera? Type this key into the app:
setup-again = Your app has the new account already. Type the code that it shows now.
setup-anew = Start over with a new QR code
first-code-label = The code that the app shows now
recovery-codes = Recovery codes
recovery-left = { $count ->
    [one] One of 10 is left. Each works once, in place of a code from the app.
   *[other] { $count } of 10 are left. Each works once, in place of a code from the app.
}
recovery-renew = Make new codes
recovery-title = New recovery codes?
recovery-text = You get ten new codes. The old ones stop working at once.
codes-title = Your recovery codes
codes-text = If your phone is lost, one of these codes lets you in. Each works once. Keep them where you find them without the phone.
codes-copy = Copy
codes-copied = Copied. Paste it somewhere safe.
codes-download = Download
codes-print = Print
codes-print-text = Each code works once. Keep this sheet in a safe place.
codes-once = They are shown only now. Save them before you go on.
codes-signed-out = You are signed out in all your apps. Sign in again there, with a code from now on.
codes-saved = I saved them
devices-button = Sign out all devices
devices-title = Sign out all devices?
devices-text = Every app and every browser of this account is signed out, and this page too. Messages that only those devices can decrypt may be lost: check your key backup first.
devices-done-title = All devices are signed out
devices-done-text = Sign in again in the apps that you use. If somebody else was in your account, change your password too.
off-title = Turn off two-factor authentication
off-text = Then your password alone signs in. All authenticators are removed and the recovery codes are void.
off-button = Turn it off
more = More
sign-out = Sign out of this page
events = Recent events
events-none = Nothing has happened yet.
event-on = Two-factor authentication was turned on
event-added = An authenticator was added
event-setup-wrong = A wrong code while an authenticator was being added
event-code = A code from an authenticator was accepted
event-wrong = A wrong code after the right password
event-replayed = A code was tried a second time
event-login-stopped = A login without the second factor was stopped
event-locked = The authenticators were locked after too many wrong codes
event-unlocked = An administrator lifted the lock
event-recovery-used = { $count ->
    [one] A recovery code was used; one is left
   *[other] A recovery code was used; { $count } are left
}
event-recovery-renewed = New recovery codes were made
event-recovery-removed = The recovery codes were removed
event-renamed = An authenticator was renamed
event-removed = An authenticator was removed
event-off = Two-factor authentication was turned off
event-reset = An administrator removed every second factor
event-forgotten = The account was deleted
event-required = A second factor is required from now on
event-exempted = A second factor is not required for now
event-exemption-over = The exemption from the second factor ended
event-code-issued = An administrator issued a code for you
event-code-issued-used = The administrator’s code was used
event-imported = An administrator brought your second factors from another server
event-exported = An administrator exported your second factors to another server
event-restored = The server was restored from a backup: the recovery codes ended
done-renamed = The name is saved.
done-removed = The authenticator is removed. Its codes do not work any more.
done-off = Two-factor authentication is off.
prove-title = Is it still you?
prove-text = Changes need a proof that is at most ten minutes old. Then you go on where you were.
way-in-title = Set up a second factor
way-in-text = This server requires one for every account. You need an authenticator app on your phone; it takes about two minutes. Then your sign-in goes on.
renew-title = No recovery code is left
renew-text = You used the last one. Make new ones before you go on: without them a lost phone locks you out. It takes a minute, then your sign-in goes on.
way-in-until = You can go on without one until { $when }.
way-in-later = Not now
trouble-signed-out = You are signed out here
trouble-signed-out-text = After an hour, or when your password or your second factors change elsewhere, this page asks you to sign in again. Nothing was changed.
trouble-setup = This set-up is over
trouble-setup-text = It was finished already, started over in another window, waited longer than ten minutes, or got five wrong codes. Recovery codes are shown once only: if you did not save them, make new ones.
trouble-many = There are ten authenticators already
trouble-many-text = Remove one that you do not need, then add the new one.
trouble-disallowed = Not on this server
trouble-required = The last one has to stay
trouble-required-text = This server requires a second factor. Add another authenticator first, then remove this one.
trouble-app = That needs a code from your app
trouble-app-text = A recovery code lets you replace authenticators and make new codes, nothing else. Sign in with a code from your authenticator app and try again.

notice-account = Account
notice-authenticator = Authenticator
notice-old-name = Old name
notice-new-name = New name
notice-when = When
notice-address = Address
notice-on = Two-factor authentication was turned on
notice-on-text = Signing in to your account now takes a code from your authenticator app as well as your password.
notice-added = An authenticator was added
notice-added-text = Its codes sign in to your account, together with your password.
notice-removed = An authenticator was removed
notice-removed-text = Its codes do not work any more.
notice-renamed = An authenticator was renamed
notice-renamed-text = Nothing else about it has changed.
notice-off = Two-factor authentication was turned off
notice-off-text = Your password alone signs in now. Authenticators and recovery codes are gone.
notice-recovery-used = A recovery code was used
notice-recovery-used-text = { $count ->
    [0] It was the last one: none is left.
    [one] One recovery code is left.
   *[other] { $count } recovery codes are left.
}
notice-recovery-renewed = New recovery codes were made
notice-recovery-renewed-text = The old ones do not work any more.
notice-recovery-removed = The recovery codes were removed
notice-recovery-removed-text = Without them, who loses the phone has to ask the administrator.
notice-reset = An administrator removed your second factors
notice-reset-text = Your password alone signs in now. Set up a second factor again as soon as you can.
notice-more = More was changed than we told you
notice-more-text = In the last hour the second factors of your account were changed so often that you are not told of each change any more, until the hour is over. Your account page lists all of them.
notice-unlocked = An administrator lifted the lock
notice-unlocked-text = Codes of your authenticators work again.
notice-locked = Your authenticators were locked
notice-locked-text = There were too many wrong codes after your right password. Recovery codes still work; with one of them you can set up a new authenticator, or your administrator lifts the lock.
notice-password-known = Somebody has your password
notice-password-known-text = After your right password came five wrong codes in a row. Nobody was let in.
notice-unfinished = Your password was entered, but no code
notice-unfinished-text = Somebody entered your right password, and no second factor followed within three minutes. Nobody was let in.
notice-code-issued = An administrator issued a code for you
notice-code-issued-text = It stands in for your second factor, once.
notice-issued-used = The administrator’s code was used
notice-issued-used-text = It stood in for your second factor and does not work any more.
notice-imported = Your second factors came from another server
notice-imported-text = An administrator brought them here. The codes of your authenticator work as before.
notice-renew = Make new recovery codes before the last one is used.
notice-was-you = Was it you? Then there is nothing else to do.
notice-not-you = Was it not you? Then change your password now, sign out all devices, and look at your second factors.
notice-manage = Your second factors
notice-foot = { $server } sends this because the security of your account is concerned. Nobody there will ever ask you for a password or a code.
