foot = L’authentification à deux facteurs protège votre connexion. Elle ne déchiffre pas vos anciens messages : il faut pour cela un autre de vos appareils ou votre sauvegarde de clés.
# The button of clients: "Continue with ..."
provider = mot de passe et code

user-label = Nom d’utilisateur
password-label = Mot de passe
next = Suivant
sign-in = Se connecter
confirm = Confirmer

sign-in-title = Connexion
sign-in-for = pour continuer vers { $target }
sign-in-wrong = Le nom d’utilisateur ou le mot de passe est incorrect. Vérifiez les deux et réessayez.
password-wrong = Le mot de passe est incorrect. Réessayez.

code-title = Saisissez votre code
code-label = Code de votre application d’authentification
code-hint = Six chiffres, avec ou sans espace.
use-recovery = Utiliser un code de secours
recovery-label = Code de secours
recovery-hint = Un des codes que vous avez conservés. Chacun sert une fois.
use-code = Utiliser l’application
either-label = Code de votre application d’authentification, ou un code de secours
code-wrong = Ce code n’a pas fonctionné. Attendez le suivant, jusqu’à 30 secondes, et vérifiez l’heure de votre téléphone.
code-locked = Les codes de votre application sont bloqués après trop d’erreurs. Utilisez un code de secours ou adressez-vous à votre administrateur.
code-wait-seconds = { $count ->
    [one] Trop de codes incorrects. Réessayez dans une seconde ; ce code n’a pas été utilisé.
   *[other] Trop de codes incorrects. Réessayez dans { $count } secondes ; ce code n’a pas été utilisé.
}
code-wait-minutes = { $count ->
    [one] Trop de codes incorrects. Réessayez dans une minute ; ce code n’a pas été utilisé.
   *[other] Trop de codes incorrects. Réessayez dans { $count } minutes ; ce code n’a pas été utilisé.
}

continue-title = Encore un pas
continue-site = Le site { $target } sera connecté à votre compte.
continue-app = Une application de cet appareil qui ouvre les liens « { $target } » sera connectée à votre compte.
continue-to = Continuer vers { $target }
continue-hint = Vous ne le connaissez pas ? Fermez cette page : personne ne sera connecté.

confirm-title = Confirmez que c’est bien vous
confirm-account = Compte
confirm-device = Demandé par
confirm-address = Adresse
confirm-age = Quand
not-known = inconnu
confirm-warning = Vous n’avez rien demandé dans votre application à l’instant ? Alors ne saisissez rien, fermez cette page et changez votre mot de passe.
age-now = Il y a moins d’une minute
age-minutes = { $count ->
    [one] Il y a une minute
   *[other] Il y a { $count } minutes
}
confirmed-title = Confirmé
confirmed-text = Retournez à votre application. Vous pouvez fermer cette page.

operation-remove-devices = { $count ->
    [0] Supprimer des appareils
    [one] Supprimer cet appareil
   *[other] Supprimer ces { $count } appareils
}
operation-password = Changer le mot de passe
operation-password-logout = Changer le mot de passe et déconnecter tous les autres appareils
operation-deactivate = Supprimer le compte pour toujours
operation-erase = Supprimer le compte pour toujours et effacer ses messages
operation-signing-keys = Réinitialiser l’identité cryptographique
operation-other = Opération « { $name } »

trouble-go-on = Réessayer
trouble-expired = Cette page n’est plus valable
trouble-expired-text = Elle a déjà servi, ou elle a attendu plus de dix minutes, ou ce navigateur ne garde pas nos cookies. Retournez à votre application et recommencez.
trouble-used = Ce formulaire a déjà été envoyé
trouble-used-text = Il n’est accepté qu’une fois. Voyez où vous en êtes.
trouble-forged = Ce formulaire est périmé
trouble-forged-text = Depuis l’ouverture de cette page, une autre fenêtre a continué, ou ce navigateur a perdu nos cookies. Rien n’a été modifié. Rouvrez la page.
trouble-foreign = Cela vient d’un autre site
trouble-foreign-text = Pour votre sécurité, seules nos pages peuvent envoyer ce formulaire. Rien n’a été modifié. Retournez à votre application et recommencez.
trouble-session = Rien n’attend ici
trouble-session-text = Cette demande est déjà terminée ou date de plus de dix minutes. Retournez à votre application et recommencez.
trouble-order = D’abord votre mot de passe
trouble-order-text = Votre application doit demander votre mot de passe avant cette page. Retournez-y et recommencez.
trouble-in-app = Il faut votre code dans l’application
trouble-in-app-text = L’application veut connecter un autre appareil ou modifier vos seconds facteurs. Saisissez le code dans l’application elle-même : aucune page ne l’accepte pour cela. Si vous n’avez rien demandé, n’entrez rien et changez votre mot de passe.
trouble-to-account = Gérer l’authentification à deux facteurs
trouble-target = Ce lien ne mène nulle part
trouble-target-text = L’application veut être connectée à une adresse où nous n’envoyons aucune connexion. Rien n’a été modifié. Signalez-le à ceux qui la font.
trouble-missing = Cette page n’existe pas
trouble-missing-text = Vérifiez l’adresse ou retournez à votre application.
trouble-busy = Trop à la fois
trouble-busy-text = Attendez un instant et réessayez. Rien n’a été modifié.
trouble-down = Cela ne marche pas pour le moment
trouble-down-text = Le serveur ne peut rien décider pour l’instant et ne laisse donc entrer personne. Rien n’a été modifié. Réessayez plus tard.
embedded-noscript = Cette page a besoin de JavaScript pour remettre la connexion à votre application. Activez-le ou connectez-vous autrement.
embedded-enroll = Ce serveur exige un second facteur, et votre compte n’en a pas encore. Configurez-en un d’abord, puis reconnectez-vous ici.
embedded-renew = Il ne reste aucun code de secours : un téléphone perdu vous laisse dehors. Créez-en bientôt de nouveaux, à cette adresse :
embedded-go-on = Continuer vers l’application

account-title = Authentification à deux facteurs
account-sign-in = pour gérer l’authentification à deux facteurs
account-on = Activée : il faut votre mot de passe et un code pour se connecter.
account-off = Désactivée : votre mot de passe suffit pour se connecter.
account-why = Avec un second facteur, personne n’entre en connaissant seulement votre mot de passe. Il vous faut une application d’authentification sur votre téléphone.
account-required = Ce serveur exige un second facteur. Ajoutez un authentificateur maintenant.
account-required-until = Ce serveur exige un second facteur. Vous pouvez vous en passer jusqu’au { $when } ; ajoutez un authentificateur maintenant.
account-disallowed = Ce serveur n’autorise pas les seconds facteurs.
account-locked = Les codes de vos authentificateurs sont bloqués après trop d’erreurs. Ajoutez-en un nouveau, puis retirez l’ancien.
account-by-recovery = Vous vous êtes connecté avec un code de secours. Si votre téléphone est perdu, ajoutez le nouveau maintenant.
account-few = { $count ->
    [0] Il ne reste aucun code de secours. Créez-en maintenant, sinon un téléphone perdu vous enferme dehors.
    [one] Il ne reste qu’un code de secours. Créez-en de nouveaux maintenant.
   *[other] Il ne reste que { $count } codes de secours. Créez-en de nouveaux maintenant.
}
authenticators = Authentificateurs
authenticator = Authentificateur
authenticator-locked = Bloqué après trop de codes faux. Ajoutez-en un nouveau, puis retirez celui-ci.
locked = Bloqué
added = Ajouté
added-on = ajouté
last-used = Dernière utilisation
never = jamais
back-to-account = Retour à l’aperçu
add-authenticator = Ajouter un authentificateur
add-text = Donnez-lui un nom pour le reconnaître. Préparez ensuite l’application sur votre téléphone.
add-name-default = Téléphone
add-next = Afficher le code QR
name-label = Nom
name-hint = Par exemple : téléphone, tablette, gestionnaire de mots de passe.
name-wrong = Un nom a de 1 à 100 caractères, tous visibles. Choisissez-en un autre.
rename = Enregistrer le nom
remove = Retirer
remove-text = Si vous le retirez, ses codes ne marchent plus.
remove-last-text = C’est le dernier. Si vous le retirez, l’authentification à deux facteurs est désactivée et les codes de secours ne valent plus rien.
new-phone = J’ai un nouveau téléphone
new-phone-text = Le nouveau téléphone est d’abord ajouté, puis l’ancien retiré. Tant que le nouveau ne marche pas, rien ne change.
old-phone-title = Le nouveau marche
old-phone-text = Retirez maintenant l’ancien, pour que personne ne se connecte avec.
old-phone-keep = Le garder
setup-title = Scannez le code
setup-scan = Ouvrez l’application d’authentification sur le téléphone et scannez cette image.
setup-qr = Code QR pour votre application d’authentification
setup-open = L’application est sur cet appareil
setup-type = Pas d’appareil photo ? Tapez cette clé dans l’application :
setup-again = Votre application a déjà le nouveau compte. Tapez le code qu’elle affiche maintenant.
setup-anew = Recommencer avec un nouveau code QR
first-code-label = Le code que l’application affiche maintenant
recovery-codes = Codes de secours
recovery-left = { $count ->
    [one] Il en reste { $count } sur 10. Chacun sert une fois, à la place d’un code de l’application.
   *[other] Il en reste { $count } sur 10. Chacun sert une fois, à la place d’un code de l’application.
}
recovery-renew = Créer de nouveaux codes
recovery-title = De nouveaux codes de secours ?
recovery-text = Vous recevez dix nouveaux codes. Les anciens cessent aussitôt de marcher.
codes-title = Vos codes de secours
codes-text = Si votre téléphone est perdu, un de ces codes vous laisse entrer. Chacun sert une fois. Gardez-les là où vous les trouvez sans le téléphone.
codes-copy = Copier
codes-copied = Copié. Collez-le en lieu sûr.
codes-download = Télécharger
codes-print = Imprimer
codes-print-text = Chaque code sert une fois. Gardez cette feuille en lieu sûr.
codes-once = Ils ne sont affichés que maintenant. Enregistrez-les avant de continuer.
codes-signed-out = Vous êtes déconnecté de toutes vos applications. Reconnectez-vous, désormais avec un code.
codes-saved = Je les ai enregistrés
devices-button = Déconnecter tous les appareils
devices-title = Déconnecter tous les appareils ?
devices-text = Toutes les applications et tous les navigateurs de ce compte sont déconnectés, et cette page aussi. Les messages que seuls ces appareils peuvent déchiffrer seront peut-être perdus : vérifiez d’abord votre sauvegarde de clés.
devices-done-title = Tous les appareils sont déconnectés
devices-done-text = Reconnectez-vous dans les applications que vous utilisez. Si quelqu’un d’autre était dans votre compte, changez aussi votre mot de passe.
off-title = Désactiver l’authentification à deux facteurs
off-text = Votre mot de passe suffira alors pour se connecter. Tous les authentificateurs sont retirés et les codes de secours ne valent plus rien.
off-button = Désactiver
more = Plus
sign-out = Se déconnecter de cette page
events = Événements récents
events-none = Il ne s’est encore rien passé.
event-on = L’authentification à deux facteurs a été activée
event-added = Un authentificateur a été ajouté
event-setup-wrong = Un code faux pendant l’ajout d’un authentificateur
event-code = Un code d’un authentificateur a été accepté
event-wrong = Un code faux après le bon mot de passe
event-replayed = Un code a été essayé une seconde fois
event-login-stopped = Une connexion sans second facteur a été arrêtée
event-locked = Les authentificateurs ont été bloqués après trop de codes faux
event-unlocked = L’administration a levé le blocage
event-recovery-used = { $count ->
    [one] Un code de secours a été utilisé ; il en reste { $count }
   *[other] Un code de secours a été utilisé ; il en reste { $count }
}
event-recovery-renewed = De nouveaux codes de secours ont été créés
event-recovery-removed = Les codes de secours ont été retirés
event-renamed = Un authentificateur a été renommé
event-removed = Un authentificateur a été retiré
event-off = L’authentification à deux facteurs a été désactivée
event-reset = L’administration a retiré tous les seconds facteurs
event-forgotten = Le compte a été supprimé
event-required = Un second facteur est exigé à partir de maintenant
event-exempted = Un second facteur n’est pas exigé pour l’instant
event-exemption-over = La dispense de second facteur a pris fin
event-code-issued = Un administrateur a émis un code pour vous
event-code-issued-used = Le code de l’administrateur a été utilisé
event-imported = Un administrateur a repris vos seconds facteurs d’un autre serveur
event-exported = Un administrateur a exporté vos seconds facteurs vers un autre serveur
event-restored = Le serveur a été restauré depuis une sauvegarde : les codes de secours ne sont plus valables
done-renamed = Le nom est enregistré.
done-removed = L’authentificateur est retiré. Ses codes ne marchent plus.
done-off = L’authentification à deux facteurs est désactivée.
prove-title = Est-ce toujours vous ?
prove-text = Les modifications demandent une preuve de moins de dix minutes. Vous continuez ensuite où vous en étiez.
way-in-title = Configurer un second facteur
way-in-text = Ce serveur en exige un pour chaque compte. Il vous faut une application d’authentification sur votre téléphone ; cela prend environ deux minutes. Votre connexion continue ensuite.
renew-title = Il ne reste aucun code de secours
renew-text = Vous avez utilisé le dernier. Créez-en de nouveaux avant de continuer : sans eux, un téléphone perdu vous laisse dehors. Cela prend une minute, puis votre connexion se poursuit.
way-in-until = Vous pouvez vous en passer jusqu’au { $when }.
way-in-later = Pas maintenant
trouble-signed-out = Vous êtes déconnecté ici
trouble-signed-out-text = Après une heure, ou quand votre mot de passe ou vos seconds facteurs changent ailleurs, cette page vous demande de vous reconnecter. Rien n’a été modifié.
trouble-setup = Cette configuration est terminée
trouble-setup-text = Elle est déjà achevée, a recommencé dans une autre fenêtre, a attendu plus de dix minutes ou a reçu cinq codes faux. Les codes de secours ne sont affichés qu’une fois : si vous ne les avez pas enregistrés, créez-en de nouveaux.
trouble-many = Il y a déjà dix authentificateurs
trouble-many-text = Retirez-en un dont vous n’avez pas besoin, puis ajoutez le nouveau.
trouble-disallowed = Pas sur ce serveur
trouble-required = Le dernier doit rester
trouble-required-text = Ce serveur exige un second facteur. Ajoutez d’abord un autre authentificateur, puis retirez celui-ci.
trouble-app = Il faut un code de votre application
trouble-app-text = Un code de secours permet de remplacer des authentificateurs et de créer de nouveaux codes, rien d’autre. Connectez-vous avec un code de votre application d’authentification et réessayez.

notice-account = Compte
notice-authenticator = Authentificateur
notice-old-name = Ancien nom
notice-new-name = Nouveau nom
notice-when = Quand
notice-address = Adresse
notice-on = L’authentification à deux facteurs a été activée
notice-on-text = Pour se connecter à votre compte, il faut désormais, outre votre mot de passe, un code de votre application d’authentification.
notice-added = Un authentificateur a été ajouté
notice-added-text = Avec votre mot de passe, ses codes permettent de se connecter à votre compte.
notice-removed = Un authentificateur a été retiré
notice-removed-text = Ses codes ne fonctionnent plus.
notice-renamed = Un authentificateur a été renommé
notice-renamed-text = Rien d’autre n’a changé.
notice-off = L’authentification à deux facteurs a été désactivée
notice-off-text = Votre mot de passe suffit désormais pour se connecter. Les authentificateurs et les codes de secours n’existent plus.
notice-recovery-used = Un code de secours a été utilisé
notice-recovery-used-text = { $count ->
    [0] C’était le dernier : il n’en reste plus.
    [one] Il reste un code de secours.
   *[other] Il reste { $count } codes de secours.
}
notice-recovery-renewed = De nouveaux codes de secours ont été créés
notice-recovery-renewed-text = Les anciens ne fonctionnent plus.
notice-recovery-removed = Les codes de secours ont été retirés
notice-recovery-removed-text = Sans eux, qui perd son téléphone doit s’adresser à l’administration.
notice-reset = L’administration a retiré vos seconds facteurs
notice-reset-text = Votre mot de passe suffit désormais pour se connecter. Configurez bientôt un nouveau second facteur.
notice-more = Il y a eu plus de changements que nous n’en signalons
notice-more-text = Durant la dernière heure, les seconds facteurs de votre compte ont été modifiés si souvent que chaque changement ne vous est plus signalé jusqu’à la fin de l’heure. La page de votre compte les montre tous.
notice-unlocked = L’administration a levé le blocage
notice-unlocked-text = Les codes de vos authentificateurs fonctionnent de nouveau.
notice-locked = Vos authentificateurs ont été bloqués
notice-locked-text = Trop de codes faux ont suivi votre bon mot de passe. Les codes de secours fonctionnent encore ; avec l’un d’eux vous pouvez configurer un nouvel authentificateur, ou l’administration lève le blocage.
notice-password-known = Quelqu’un connaît votre mot de passe
notice-password-known-text = Cinq codes faux de suite ont suivi votre bon mot de passe. Personne n’est entré.
notice-unfinished = Votre mot de passe a été saisi, mais aucun code
notice-unfinished-text = Quelqu’un a saisi votre bon mot de passe, et aucun second facteur n’a suivi dans les trois minutes. Personne n’est entré.
notice-code-issued = L’administration a émis un code pour vous
notice-code-issued-text = Il remplace une fois votre second facteur.
notice-issued-used = Le code de l’administration a été utilisé
notice-issued-used-text = Il a remplacé votre second facteur et ne fonctionne plus.
notice-imported = Vos seconds facteurs viennent d’un autre serveur
notice-imported-text = L’administration les a repris ici. Les codes de votre application fonctionnent comme avant.
notice-renew = Créez de nouveaux codes de secours avant que le dernier ne soit utilisé.
notice-was-you = C’était vous ? Alors il n’y a rien d’autre à faire.
notice-not-you = Ce n’était pas vous ? Alors changez votre mot de passe maintenant, déconnectez tous les appareils et vérifiez vos seconds facteurs.
notice-manage = Vos seconds facteurs
notice-foot = { $server } vous écrit parce que la sécurité de votre compte est en jeu. Personne ne vous y demandera jamais un mot de passe ni un code.
