"""In which language a title is written, when that is sure: by words of one and not the other.

Left out are words of both (note, plan, table, pain) and those that French has borrowed (meeting,
call, deadline). Why no library: docs/dependencies.md. Pure.
"""

from __future__ import annotations

import re

from speech.numbers import Language
from speech.wordlists import words

ENGLISH = words("""
    the to of and for with from in at by is are be my your our their his her its this that
    these those it we you they he she not before after until about into over under between
    without again also any some more most each every other another next last first second
    third new old good bad big small little early late only own out off up down back away
    through around near behind what when where who why how which if then than because so too
    very just now here there today tonight tomorrow yesterday monday tuesday wednesday
    thursday friday saturday sunday january february march april june july august october
    november december morning afternoon evening night noon midnight week weekly month monthly
    year yearly day days daily weeks months years hour hours one two three five seven eight
    nine ten twelve twenty thirty half does did make made get got go going gone come take took
    give send sent bring put set let keep find found ask tell talk say speak write wrote read
    reading learn study studying teach prepare revise submit hand turn finish start begin
    complete continue stop end close book buy bought pay paid sell order pick drop return
    collect deliver renew cancel confirm reply answer email phone remind remember forget fix
    repair replace install update upgrade backup build clean wash tidy cook bake eat drink
    sleep wake walk ride drive fly swim play practice practise rehearse watch listen visit
    meet join invite help move pack unpack sign fill print upload download attach share
    publish translate schedule reschedule attend apply register enrol enroll choose decide
    look try use need needs want should must will would could can might have has had been
    being change water feed borrow lend owe cut hang paint mow rake sweep iron fold sew knit
    grow appointment homework assignment essay midterm midterms quizzes coursework labs
    reports paper papers thesis chapter chapters worksheet textbook school college university
    teacher professor tutor student students due work office colleague coworker customer
    customers invoice invoices contract agreement expenses expense tax salary wages bill bills
    rent lease mortgage insurance bank card account loan refund fee fees house home apartment
    flat room kitchen bathroom bedroom garden yard door window roof floor wall light bulb
    shelf desk chair bed sofa couch lamp fridge oven dishwasher laundry dishes trash rubbish
    garbage bins groceries grocery pharmacy doctor dentist vet nurse hospital surgery medicine
    pills prescription eye teeth tooth flu haircut hair dress shoes shirt clothes coat mom mum
    mommy dad daddy mother father brother sister daughter grandma grandpa grandmother
    grandfather aunt uncle wife husband kids kid child children baby boy girl friend friends
    family neighbor neighbour neighbors people dog dogs cat cats bird fish horse birthday
    wedding anniversary gift gifts christmas easter thanksgiving halloween holiday holidays
    trip travel flight flights plane airport luggage passport subway car bike bicycle boat
    food breakfast lunch dinner supper milk bread eggs egg butter cheese meat chicken beef
    pork rice beans apples apple bananas potatoes tomatoes onions vegetables fruit sugar salt
    coffee tea juice beer wine movie movies song songs guitar choir game games soccer library
    libraries museum church computer screen keyboard mouse battery printer password passwords
    files folder release letter letters parcel envelope stamp stamps form forms cover list
    thank thanks please sorry happy congratulations hello things stuff something anything
    everything nothing someone everyone time times history english french math biology
    chemistry physics statistics economics task tasks landlord plumber lesson lessons receipt
    receipts meal vacuum cards driving ends spring summer autumn winter sort rehearsal
    """)
FRENCH = words("""
    le la les un une des du de au aux et est sont en pour par avec sans sur sous chez dans
    vers depuis pendant avant mon ma mes ton ta tes sa ses notre nos votre vos leur leurs ce
    cet cette ces qui que quoi dont ne pas rien ni je tu il elle nous vous ils elles moi toi
    lui eux puis donc alors aussi encore toujours jamais trop bien mal peu beaucoup tout tous
    toute toutes autre autres nouveau nouvelle nouveaux bon bonne petit petite grande vieux
    dernier prochain prochaine demain hier matin midi soir nuit lundi mardi mercredi jeudi
    vendredi samedi dimanche janvier avril mai juin juillet septembre octobre novembre semaine
    mois jour jours heure heures deux trois quatre cinq huit neuf dix douze vingt trente faire
    refaire aller venir prendre reprendre mettre donner rendre envoyer renvoyer apporter
    emmener emporter poser chercher appeler rappeler lire relire demander parler voir revoir
    regarder apprendre corriger finir terminer commencer continuer fermer ouvrir acheter
    racheter payer commander annuler confirmer renouveler retirer remplacer installer nettoyer
    laver ranger vider remplir sortir rentrer cuisiner manger boire dormir courir marcher
    nager jouer visiter inviter aider signer imprimer scanner joindre partager publier
    traduire planifier participer inscrire choisir essayer utiliser valider relancer
    transmettre changer arroser nourrir tondre balayer repasser coudre monter peindre tailler
    couper rendez-vous devoirs devoir dissertation examen examens partiel partiels cours amphi
    rendu comptes rendus rapport chapitre chapitres fiche fiches exercice exercices soutenance
    alternance fac professeur enseignant rattrapage travail boulot bureau facture factures
    contrat devis salaire loyer assurance banque remboursement caution frais maison
    appartement chambre cuisine jardin porte toit mur ampoule chaise lampe frigo
    lave-vaisselle lave-linge lessive vaisselle poubelle poubelles magasin pharmacie dentiste
    ordonnance dents vaccin coiffeur robe chaussures chemise manteau maman papa soeur fille
    fils mamie papi tante oncle femme mari enfants enfant ami amie amis amies famille voisin
    voisine voisins gens chien chiens chatte oiseau poisson cheval anniversaire mariage cadeau
    cadeaux vacances voyage avion gare billet billets valise bagages passeport voiture bateau
    lait oeufs beurre fromage viande poulet boeuf riz pommes poires tomates oignons sucre sel
    jus vin chanson chansons musique chorale jeu jeux piscine ordinateur clavier souris
    chargeur batterie imprimante fichier fichiers dossiers serveur lettre lettres courrier
    colis enveloppe timbre timbres formulaire candidature entretien liste merci bonjour bravo
    truc trucs choses quelque temps fois histoire anglais allemand espagnol chimie physique
    biologie droit mise inscription visite bilan demande retour
    """)
ENGLISH_MARK = re.compile(r"(?:'s|n't|'ll|'re|'ve|'m)$")
FRENCH_MARK = re.compile(r"^(?:[ldjnsmtc]|qu|aujourd)'|[éèêëàâçùûîïôœ]")
# Of the words that are known, so many speak for the one language for each that does not.
SURE = 3


def language_of(title: str) -> Language | None:
    """Return the language of `title`; None when that is not sure: then it is the page's."""
    english = french = 0
    for word in re.findall(r"[^\W\d_]+(?:['-][^\W\d_]+)*", title.lower().replace("’", "'")):
        if word in ENGLISH or ENGLISH_MARK.search(word):
            english += 1
        elif word in FRENCH or FRENCH_MARK.search(word):
            french += 1
    if english and english >= french * SURE:
        return "en"
    return "fr" if french and french >= english * SURE else None
