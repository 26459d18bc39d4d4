foot = Two-factor authentication protects your sign-in. It does not decrypt your message history: that needs another of your devices or your key backup.

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
operation-signing-keys = Reset the cryptographic identity
operation-get-token = Sign in another device
operation-enroll = Add an authenticator
operation-recovery = Replace the recovery codes
operation-disable = Turn off two-factor authentication
operation-remove-authenticator = Remove an authenticator
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
trouble-target = This link leads nowhere
trouble-target-text = The app asked to be signed in at an address that we send no sign-in to. Nothing was changed. Tell whoever makes the app.
trouble-missing = There is no such page
trouble-missing-text = Check the address, or go back to your app.
trouble-busy = Too much at once
trouble-busy-text = Wait a moment and try again. Nothing was changed.
trouble-down = That does not work right now
trouble-down-text = The server cannot decide at the moment, so it lets nobody in. Nothing was changed. Try again later.
embedded-noscript = This page needs JavaScript to hand the sign-in to your app. Turn it on, or choose another way to sign in.
