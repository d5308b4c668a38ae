"""What people shorten when they write, and the words by which a number is known: tables alone.

A row is `written, written = French | English`; "-" leaves it as it was written.
"""

from __future__ import annotations

from speech.numbers import Language

Said = dict[Language, str]
Table = dict[str, Said]


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _numbered(text: str, *, start: int) -> dict[str, int]:
    """Names between slashes mean one number."""
    named = enumerate(text.split("/"), start=start)
    return {name: number for number, names in named for name in names.split()}


def _table(rows: str) -> Table:
    found: Table = {}
    for row in rows.strip().splitlines():
        written, _, said = row.partition("=")
        french, english = (
            None if word.strip() == "-" else word.strip() for word in said.split("|")
        )
        words: Said = {}
        if french is not None:
            words["fr"] = french
        if english is not None:
            words["en"] = english
        found |= {name.strip(): words for name in written.split(",")}
    return found


# After a number, as they are written: "Mo" is no "mo". In the plural.
UNITS = _table("""
mm = millimètres | millimetres
cm = centimètres | centimetres
dm = décimètres | decimetres
m = mètres | metres
km, Km, KM = kilomètres | kilometres
mm², mm2 = millimètres carrés | square millimetres
cm², cm2 = centimètres carrés | square centimetres
m², m2 = mètres carrés | square metres
km², km2 = kilomètres carrés | square kilometres
cm³, cm3 = centimètres cubes | cubic centimetres
m³, m3 = mètres cubes | cubic metres
ha = hectares | hectares
mg = milligrammes | milligrams
g, gr = grammes | grams
kg, Kg, KG = kilos | kilos
mL, ml = millilitres | millilitres
cL, cl = centilitres | centilitres
dL, dl = décilitres | decilitres
L, l = litres | litres
km/h, kmh = kilomètres heure | kilometres an hour
m/s = mètres par seconde | metres a second
m/s² = mètres par seconde au carré | metres a second squared
tr/min, rpm = tours par minute | turns a minute
L/100 km, l/100 km, L/100km, l/100km = litres aux 100 kilomètres | litres per 100 kilometres
mpg = - | miles per gallon
cp, cps = comprimés | -
càs, c. à s., cuil. à soupe, c. à soupe = cuillères à soupe | -
càc, c. à c., cuil. à café, c. à café = cuillères à café | -
¢ = - | cents
tsp = - | teaspoons
tbsp = - | tablespoons
pgs = pages | pages
mol/L, mol/l = moles par litre | moles a litre
mph = miles à l'heure | miles an hour
mi = - | miles
ft = - | feet
sq ft, ft² = - | square feet
gal = - | gallons
lb, lbs = - | pounds
oz = - | ounces
ko, Ko = kilo-octets | -
Mo = mégaoctets | -
Go = gigaoctets | -
To = téraoctets | -
kB, KB = kilo-octets | kilobytes
MB = mégaoctets | megabytes
GB = gigaoctets | gigabytes
TB = téraoctets | terabytes
Mb/s, Mbps, Mbit/s = mégabits par seconde | megabits a second
Gb/s, Gbps, Gbit/s = gigabits par seconde | gigabits a second
W = watts | watts
kW, KW = kilowatts | kilowatts
kWh, KWh = kilowattheures | kilowatt hours
MW = mégawatts | megawatts
V = volts | volts
mV = millivolts | millivolts
kV = kilovolts | kilovolts
mW = milliwatts | milliwatts
mA = milliampères | milliamps
µA, μA = microampères | microamps
mAh = milliampères heure | milliamp hours
Ω = ohms | ohms
kΩ = kilo-ohms | kilohms
MΩ = mégohms | megohms
µF, μF = microfarads | microfarads
nF = nanofarads | nanofarads
pF = picofarads | picofarads
mH = millihenrys | millihenries
µH, μH = microhenrys | microhenries
kN = kilonewtons | kilonewtons
µm, μm = micromètres | micrometres
µs, μs = microsecondes | microseconds
Hz = hertz | hertz
kHz = kilohertz | kilohertz
MHz = mégahertz | megahertz
GHz = gigahertz | gigahertz
dB = décibels | decibels
Pa = pascals | pascals
hPa = hectopascals | hectopascals
kJ = kilojoules | kilojoules
cal = calories | calories
kcal = kilocalories | kilocalories
px = pixels | pixels
pt, pts = points | points
ms = millisecondes | milliseconds
s, sec, secs = secondes | seconds
mins = minutes | minutes
hr, hrs = heures | hours
j = jours | -
sem = semaines | -
wk, wks = semaines | weeks
yr, yrs = ans | years
pers = personnes | people
pax = personnes | people
€, EUR, Eur, eur = euros | euros
$, USD = dollars | dollars
£, GBP = livres | pounds
CHF = francs suisses | Swiss francs
k€, K€, kEUR = mille euros | thousand euros
M€ = millions d'euros | million euros
Md€ = milliards d'euros | billion euros
k$, K$ = mille dollars | thousand dollars
M$ = millions de dollars | million dollars
Md$ = milliards de dollars | billion dollars
Md£ = milliards de livres | billion pounds
k£ = mille livres | thousand pounds
M£ = millions de livres | million pounds
°, deg = degrés | degrees
°C = degrés | degrees
°F = degrés Fahrenheit | degrees Fahrenheit
% = pour cent | percent
‰ = pour mille | per mille
""")
# "3 €/kg", "2 fois/sem.": what stands below the line.
PER = _table("""
kg, Kg = le kilo | a kilo
lb = - | a pound
gal = - | a gallon
g = le gramme | a gram
100g, 100 g = les 100 grammes | per 100 grams
L, l, litre = le litre | a litre
m², m2 = le mètre carré | a square metre
m³, m3 = le mètre cube | a cubic metre
m = le mètre | a metre
km = le kilomètre | a kilometre
kWh = le kilowattheure | a kilowatt hour
h, heure, hr, hour = de l'heure | an hour
min, mn, minute = par minute | a minute
s, sec, seconde, second = par seconde | a second
j, jour, jr, d, day = par jour | a day
nuit, night = par nuit | a night
sem, semaine, wk, week = par semaine | a week
mois, mo, month = par mois | a month
an, année, yr, year = par an | a year
pers, personne, pers., pp, person, pax = par personne | a person
étudiant, étudiante, student = par étudiant | a student
unité, pièce, pce, unit, piece = pièce | each
page = la page | a page
part = la part | a portion
trimestre = par trimestre | a quarter
""")
# In a title of any kind, with or without a full stop, in small letters or capitals.
WORDS = _table("""
rdv, r-v = rendez-vous | appointment
svp = s'il vous plaît | please
stp = s'il te plaît | please
plz, pls = - | please
asap = dès que possible | as soon as possible
tél = téléphone | phone
mme = madame | -
mmes = mesdames | -
mlle = mademoiselle | -
bât = bâtiment | building
bldg = - | building
appt = appartement | appointment
qté, qte = quantité | -
dépt, dpt = département | -
bcp = beaucoup | -
tjs, tjrs = toujours | -
pdt = pendant | -
qqch = quelque chose | -
qqn = quelqu'un | -
qq, qqs = quelques | -
càd, c-à-d, c.-à-d = c'est-à-dire | -
pb = problème | problem
pbs = problèmes | problems
bd, bld, blvd = boulevard | boulevard
tlj = tous les jours | -
mr = monsieur | -
ms = - | Miz
tle = terminale | -
ttes = toutes | -
lgt = logement | -
gvt = gouvernement | -
dvt = devant | -
vs = contre | versus
cf = voir | see
pj = pièce jointe | -
odj = ordre du jour | -
rdc = rez-de-chaussée | -
rte = route | -
arrdt = arrondissement | -
anniv = anniversaire | -
réu = réunion | -
n° = numéro | number
tsp = - | teaspoon
tbsp = - | tablespoon
btw = - | by the way
mtg = - | meeting
pkg = - | package
mtgs = - | meetings
mgmt = - | management
mgr = - | manager
govt = - | government
hw = - | homework
bday, b-day, b'day = - | birthday
c/o = - | care of
t° = température | temperature
tmrw, tmr = - | tomorrow
thru = - | through
w/e = - | weekend
b/c = - | because
w/o = - | without
n/a = - | not applicable
a/r = aller-retour | -
a/s = au sujet de | -
e-mail = e-mail | e-mail
approx = - | approximately
4x4 = quatre quatre | four by four
dept = - | department
dépts = départements | -
r&d = R et D | R and D
24h/24 = vingt-quatre heures sur vingt-quatre | round the clock
7j/7, 7d/7 = sept jours sur sept | seven days a week
""")
# With their full stop alone: without it they are words of their own.
DOTTED = _table("""
av, ave = avenue | avenue
pl = place | place
all = allée | -
imp = impasse | -
chem, ch = chemin | -
fg, fbg = faubourg | -
esc = escalier | -
mt = - | mount
sgt = - | sergeant
ét = étage | -
fl = - | floor
scol = scolaire | -
sq = square | square
rd = - | road
ln = - | lane
rm = - | room
apt = appartement | apartment
app = appartement | -
av. j.-c, av. jc = avant Jésus-Christ | -
ap. j.-c, ap. jc = après Jésus-Christ | -
env = environ | -
réf, ref = référence | reference
resp = responsable | -
éd = édition | -
ed = - | edition
vol = volume | volume
fig = figure | figure
tab = tableau | table
chap = chapitre | chapter
art = article | article
ann = annexe | -
sect = section | section
sem = semaine | semester
trim = trimestre | -
univ = université | university
dép, dept = département | department
lab, labo = laboratoire | laboratory
prof = professeur | professor
assoc, asso = association | associate
asst, ass = assistant | assistant
admin = administration | administration
adm = administratif | -
insc, inscr = inscription | -
conf = conférence | conference
int = interne | internal
ext = externe | extension
doc = document | document
docs = documents | documents
préf = préfecture | -
gén = général | general
sec = secrétariat | section
secr = secrétariat | -
dir = directeur | director
dev = développement | development
éval, eval = évaluation | evaluation
prés, pres = présentation | presentation
prep, prép = préparation | preparation
rens = renseignements | -
ord = ordonnance | -
coll = collection | -
trad = traduction | -
biblio = bibliographie | -
suppl = supplémentaire | -
compl = complémentaire | -
obs = observations | -
ex = exemple | example
coef, coeff = coefficient | -
cotis = cotisation | -
rép, rep = réponse | -
p. ex, p.ex, par ex = par exemple | -
max = maximum | maximum
min = minimum | minimum
moy = moyenne | -
nb, nbre = nombre | -
tel = téléphone | phone
arr = arrondissement | -
cie = compagnie | -
me = maître | -
e.g, eg = - | for example
i.e, ie = - | that is
incl = - | including
excl = - | excluding
misc = - | miscellaneous
est = - | estimated
temp = température | temporary
no = numéro | number
nos = numéros | numbers
janv, jan = janvier | January
févr, fév, feb = février | February
avr, apr = avril | April
juil = juillet | -
aug = - | August
sept, sep = septembre | September
oct = octobre | October
nov = novembre | November
déc, dec = décembre | December
lun = lundi | -
mon = - | Monday
mar = mardi | March
mer = mercredi | -
jeu = jeudi | -
ven = vendredi | -
sam = samedi | -
dim = dimanche | -
fri = - | Friday
sat = - | Saturday
sun = - | Sunday
tue, tues = - | Tuesday
wed = - | Wednesday
thu, thur, thurs = - | Thursday
hr, hrs = - | hours
""")
# Before a number, with or without a full stop.
BEFORE_NUMBER = _table("""
p, pg = page | page
pp, pgs = pages | pages
chap, ch = chapitre | chapter
ex, exo = exercice | exercise
exos, exs = exercices | exercises
art = article | article
fig = figure | figure
vol = volume | volume
sem = semaine | semester
wk = - | week
rm = - | room
apt = appartement | apartment
appt = appartement | -
ét = étage | -
lec = - | lecture
ép, ep = épisode | episode
sc = scène | scene
plat = - | platform
sec = section | section
th = thermostat | -
yr = - | year
§ = paragraphe | section
gr, grp = groupe | group
bur = bureau | -
ext = poste | extension
q = question | question
qu = question | -
n°, nº, №, nr = numéro | number
# = numéro | number
lun = lundi | -
mar = mardi | -
mer = mercredi | -
jeu = jeudi | -
ven = vendredi | -
sam = samedi | -
dim = dimanche | -
mon = - | Monday
tue, tues = - | Tuesday
wed = - | Wednesday
thu, thur, thurs = - | Thursday
fri = - | Friday
sat = - | Saturday
sun = - | Sunday
""")
# Said letter by letter, where the voice would make a word or a unit of them.
SPELLED: dict[Language, frozenset[str]] = {
    "fr": words("""
    ADE ADN AE AESH AG AI ALS ANR AO AOC AP API APL ARN ARS ATER AWS BDD BDE BDS BEP BIA BIP
    BO BU BUT CA CAO CAP CAPES CCI CEA CEB CEO CFA CHR CHU CIO CM CMI CMU CNED CO CPAM CPE CPU
    CSE CSP CTO CU CV DAO DD DEA DEUG DJ DM DNA DOI DPAE DPO DRAC DUT DVD EC ECE ECTS ECUE EDI
    EDT EEG EI EIA ENS ENT EP EPI EPS ERP ES ESA ETP EU EURL EVC FA FI FLE FO FPS GPU GU HDMI
    HEC HIV HP IA IAE IBM ICP IDE IFR IG IHM IJ INPI IO IOS IP IR IRL IRM IRSN ISBN ISF ISO IT
    IUT IVG JF JH JJ JM JO JPO KM KO LEA LLCER MAJ MCU MEP MI MIT MOA MOE MR NAS OMS ONG OPCA
    OQTF ORL OS PAO PE PEA PEC PEL PERP PFE PIB PLU PME PMI PO PR QA QI QO RER RH RI RIA RSA
    RSE RU SAE SARL SAV SCEA SCI SEO SES SI SIO SIV STAPS SU SUAPS SUV TAE TC TER TIG TIPE TMA TVA
    UC UE UEL UER UF UFR UI UL UML UO UPE URL USA USB UTC UV UX VA VAE VHU VI VIH VIP VO VOST
    VTC XL XP
    """),
    "en": words("""
    AG AI AP AWS BU CO EOD FYI OOO CA CM CV DIY DM DOB ECTS EMI ENT EOM ER ERP ETA EU FAQ FO
    GI GP GUI HR IA IO IP IRS ISO IT ITV IUT JS KO MI MIT MOT NA OS PA PE PFE PO PTA QA RA
    RATP RE RH RI RIP RSI SEO SES SI TV UAT UN UE UI UK UML UPS US USA USB UX VA VAT VIP
    """),
}
# Capitals of two or three letters that are words: of the rest of these, each letter is said.
CAPITAL_WORDS = words("""
    IT US ES OS AN AS AU AUX AVEC BAC BIO BON CAF CAR CE CES CET CLE COL DE DES DIX DON DU EAU
    ELLE EN EST ET FIN FUN GIF ICI IL ILS JE JEU JUS KIT LA LAC LE LES LOI LOT LUI MA MAI MAL
    MER MES MET MOI MOT MUR NE NEZ NI NOM NON NOS NOUS OK ON ONU OR OU OUI PAC PAR PAS PEU PIN
    PLU PME POT PUB QUE QUI RAM RAS RAT RDC RIB RIZ ROM SA SAC SANS SE SEL SES SI SIM SIX SKI
    SOL SON SUD SUR TA TE TES THE TIR TOI TON TOT TU UN UNE VA VIE VIN VOL VOS VU WEB ZAC ZEN
    ZIP ZOO ALL AM AN AND ANY ARE ASK AT BE BED BIG BOX BUS BUT BUY BY CAN CAR CAT CUT DAD DAY
    DO DOG DUE END FAX FOR FUN GAS GET GO GYM HAS HE HER HIM HIS HOT HOW IF IN IS ITS JOB JOY
    KEY KIT LAB LAW LET LOG LOT MAN MAP MAY ME MEN MET MOM MUM MY NET NEW NO NOR NOT NOW OF OFF
    OIL OLD ON ONE OR OUR OUT OWN PAY PEN PER PET PIE PUT RUN SAY SEA SEE SET SHE SIT SIX SO
    SON TAX TEA TEN THE TO TOO TOP TOY TRY TWO UP USE VAN WAR WAS WAY WE WEB WHO WHY WIN YES
    YET YOU
    """)
# Beside the number of a day.
MONTHS = _numbered(
    """
    janvier janv january jan/février fevrier févr fév fev february feb/mars march mar/
    avril avr april apr/mai may/juin june jun/juillet juil july jul/août aout august aug/
    septembre september sept sep/octobre october oct/novembre november nov/
    décembre decembre déc dec december
    """,
    start=1,
)
WEEKDAYS = _numbered(
    "lun mon/mar tue tues/mer wed/jeu thu thur thurs/ven fri/sam sat/dim sun", start=0
)
# Before a Roman number: the nth of that name.
RULERS = words("""
    louis charles henri henry philippe philip napoléon napoleon françois francis jean
    jean-paul paul john pie pius benoît benedict léon leo grégoire elizabeth élisabeth
    élizabeth george georges édouard edward richard james guillaume william guillaume frédéric
    frederick alexandre alexander nicolas nicholas catherine albert léopold leopold baudouin
    ramsès ramses ptolémée jacques pierre peter ivan mary marie christian gustave otto otton
    innocent urbain clément boniface mehmet mohammed hassan alphonse alfonso ferdinand joseph
    victor-emmanuel
    """)
# Before any number: which one, not how many.
PARTS = words("""
    partie part chapitre chapter chap tome volume vol livre book acte act scène scene mondiale
    war phase section titre title annexe appendix niveau level article type stage module leçon
    lesson unit unité épisode episode saison season étape step grade division algèbre analyse
    maths physique grammaire
    """)
LABELS = PARTS | words("""
    exercice exercise exo ex groupe group gr question q salle room séance semaine week jour
    day lot fiche page p projet project équipe team zone quai ligne line bus tram métro devoir
    dm tp td cm ds cc ue numéro number n° no version rapport sujet topic option série étage
    bâtiment building porte place cours lecture figure table tableau note task tâche travail
    lab labo quiz test examen exam bac classe match
    """)
FILES = words("""
    pdf doc docx xls xlsx ppt pptx odt ods odp csv txt md tex py js java cpp html css sql jpg
    jpeg png gif svg zip mp3 mp4 wav yaml yml json xml sh
    """)
DOMAINS = words("fr com org net edu eu io gov uk dev info")
# Enough to know that "tâche" or "réunion" is feminine: common nouns of lists, then endings.
FEMININE = words("""
    tâche page copie heure minute seconde semaine place chaise table feuille photo vidéo image
    lettre carte boîte tasse tranche fois part partie pièce étape ligne colonne fiche note
    diapo slide commande chemise clé clef paire pomme orange carotte banane tomate baguette
    pizza bière pile ampoule nuit demande enveloppe valise caisse machine course faute couche
    plante fleur rose affiche livraison maison leçon chanson boisson saison façon rançon
    raison prison cloison toile tonne calorie goutte dent main fin faim maman fille femme dame
    amie élève mère soeur sœur tante cousine voisine collègue équipe école classe salle porte
    rue ville route gare voie veste robe jupe jambe bouche oreille poche planche branche
    brique barre batterie cartouche clope cigarette bouteille assiette casserole poêle lampe
    chambre douche couverture serviette lessive soupe salade crêpe gaufre glace crème frite
    pâte poire pêche fraise cerise noix amande olive figue datte mangue courgette aubergine
    huître moule crevette sardine cuillère cuillerée fourchette canette bougie ramette gomme
    règle trousse chaussure botte basket écharpe licence thèse norme loi règle taxe prime
    amende plainte preuve piste liste base requête clause annexe rubrique unité case cible
    tuile dalle vis cheville agrafe gélule pilule piqûre dose tablette plaquette radio station
    seule grande petite première dernière borne alarme alerte caméra imprimante souris prise
    rallonge multiprise voiture moto roue bagnole
    """)
FEMININE_ENDINGS = tuple(
    words("""
    tion sion xion gion nion té ée ette esse ance ence ure tude trice euse ille elle enne onne
    ière erie phie logie ade ise oire aison
    """)
)
MASCULINE = words("""
    été côté comité traité député pâté arrêté doigté velouté musée lycée trophée colisée
    apogée squelette silence murmure portefeuille gorille quadrille cimetière derrière arrière
    modèle violoncelle vermicelle avion million camion pion bastion stade grade jade
    territoire laboratoire mémoire répertoire interrogatoire accessoire questionnaire
    observatoire auditoire conservatoire ivoire pourboire comédie
    """)


def is_feminine(noun: str) -> bool:
    """Whether a French noun, in the singular or plural, is known or looks to be feminine."""
    one = noun.lower()
    one = one if one in FEMININE else one.rstrip("sx")
    return one in FEMININE or (one.endswith(FEMININE_ENDINGS) and one not in MASCULINE)


# Greek letters, of which a formula has one.
LETTERS = _table("""
α = alpha | alpha
β = bêta | beta
γ = gamma | gamma
δ, Δ = delta | delta
ε = epsilon | epsilon
η = êta | eta
θ = thêta | theta
λ = lambda | lambda
μ = mu | mu
π = pi | pi
ρ = rho | rho
σ, Σ = sigma | sigma
τ = tau | tau
φ, Φ = phi | phi
χ = khi | chi
ψ, Ψ = psi | psi
ω, Ω = oméga | omega
""")
# By the first word of a character's name in Unicode.
SCRIPTS = _table("""
CJK = chinois | Chinese
HIRAGANA, KATAKANA, KATAKANA-HIRAGANA = japonais | Japanese
HANGUL = coréens | Korean
ARABIC = arabes | Arabic
HEBREW = hébreux | Hebrew
CYRILLIC = cyrilliques | Cyrillic
GREEK = grecs | Greek
THAI = thaïs | Thai
DEVANAGARI = indiens | Indian
ARMENIAN = arméniens | Armenian
GEORGIAN = géorgiens | Georgian
""")
