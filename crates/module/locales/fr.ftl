foot = L’authentification à deux facteurs protège votre connexion. Elle ne déchiffre pas vos anciens messages : il faut pour cela un autre de vos appareils ou votre sauvegarde de clés.

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
continue-app = Une application de cet appareil qui ouvre les liens « { $target } » sera connectée à votre compte.
continue-to = Continuer vers { $target }
continue-hint = Vous ne le connaissez pas ? Fermez cette page : personne ne sera connecté.

confirm-title = Confirmez que c’est bien vous
confirm-account = Compte
confirm-device = Demandé par
confirm-address = Adresse
confirm-age = Quand
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
operation-signing-keys = Réinitialiser l’identité cryptographique
operation-get-token = Connecter un autre appareil
operation-enroll = Ajouter un authentificateur
operation-recovery = Remplacer les codes de secours
operation-disable = Désactiver l’authentification à deux facteurs
operation-remove-authenticator = Retirer un authentificateur
operation-other = Opération « { $name } »

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
trouble-target = Ce lien ne mène nulle part
trouble-target-text = L’application veut être connectée à une adresse où nous n’envoyons aucune connexion. Rien n’a été modifié. Signalez-le à ceux qui la font.
trouble-missing = Cette page n’existe pas
trouble-missing-text = Vérifiez l’adresse ou retournez à votre application.
trouble-busy = Trop à la fois
trouble-busy-text = Attendez un instant et réessayez. Rien n’a été modifié.
trouble-down = Cela ne marche pas pour le moment
trouble-down-text = Le serveur ne peut rien décider pour l’instant et ne laisse donc entrer personne. Rien n’a été modifié. Réessayez plus tard.
embedded-noscript = Cette page a besoin de JavaScript pour remettre la connexion à votre application. Activez-le ou connectez-vous autrement.
