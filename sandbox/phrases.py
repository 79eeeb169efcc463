"""What small shops and their customers write, in several languages. Data only.

Placeholders: {product} {price} {code} {percent} {link} {friend} are filled by the generator.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Voice:
    lang: str
    shops: tuple[str, ...]
    bios: tuple[str, ...]
    products: tuple[str, ...]
    posts: tuple[str, ...]
    comments: tuple[str, ...]
    tags: tuple[str, ...]
    # Written as the country writes money; {} takes the number already formatted.
    price: str
    decimal_comma: bool


VOICES: tuple[Voice, ...] = (
    Voice(
        "en",
        ("Kiln & Co", "Harbour Candle", "Thread Lane", "Moss and Marrow"),
        ("Small batches, made by hand.", "Independent since 2014. Orders ship on Tuesdays."),
        ("stoneware mug", "beeswax candle", "linen apron", "walnut spoon", "wool throw", "oat soap"),
        (
            "New in: our {product} at {price}. Only 40 made. {link}",
            "Restocked! The {product} you asked for is back, {price} {link} ✨",
            "Use code {code} for {percent}% off every {product} until Sunday {link}",
            "Behind the scenes: how a {product} gets its colour.",
            "Thank you @{friend} for the photo of your {product} 💛",
            "Weekend market tomorrow, 9 to 4. Bring a bag. We bring the {product}s.",
            "Last five {product}s from this firing, {price} each. {link}",
        ),
        (
            "How much is the {product}?",
            "Do you ship to Norway?",
            "Just ordered two 😍",
            "Is this dishwasher safe?",
            "Mine arrived today, it is beautiful!",
            "code {code} did not work for me?",
            "@{friend} we need this",
        ),
        ("smallbatch", "handmade", "shoplocal", "slowliving"),
        "${}",
        False,
    ),
    Voice(
        "de",
        ("Töpferei Lindenhof", "Wachs & Wolle", "Kräuterküche Südtor"),
        ("Handgemacht in Leipzig.", "Kleine Manufaktur, große Geduld."),
        ("Schüssel", "Kerze", "Leinenschürze", "Teekanne", "Wolldecke"),
        (
            "Neu im Laden: {product} für {price}. Nur solange der Vorrat reicht! {link}",
            "Mit dem Code {code} gibt es {percent} % auf jede {product} {link}",
            "So entsteht unsere {product}: drei Tage Geduld, ein Tag Feuer 🔥",
            "Danke @{friend} für das schöne Bild!",
            "Große Stücke sind wieder da, {product} ab {price} {link}",
        ),
        (
            "Was kostet die {product}?",
            "Liefert ihr auch nach Österreich?",
            "Wunderschön! 😍",
            "Code {code} geht noch?",
        ),
        ("handgemacht", "töpferei", "kleinstunternehmen", "schönedinge"),
        "{} €",
        True,
    ),
    Voice(
        "fr",
        ("Atelier Brume", "La Petite Savonnerie", "Maison Grès"),
        ("Fait main à Nantes.", "Savons à froid, petites séries."),
        ("savon à l'avoine", "bol en grès", "bougie", "tablier en lin"),
        (
            "Nouveauté : {product} à {price} ! {link}",
            "Code {code} : -{percent}% sur toute la boutique jusqu'à dimanche {link}",
            "Merci @{friend} pour cette photo 💛",
            "Dans l'atelier aujourd'hui : naissance d'un {product}.",
        ),
        ("C'est combien ?", "Vous livrez en Belgique ?", "Magnifique 😍", "Il reste du stock ?"),
        ("faitmain", "artisanat", "savonnaturel", "été"),
        "{} €",
        True,
    ),
    Voice(
        "es",
        ("Barro y Sal", "Taller Luciérnaga"),
        ("Hecho a mano en Granada.",),
        ("taza de gres", "vela", "jabón de romero", "delantal"),
        (
            "¡Nuevo! {product} por {price} {link}",
            "Con el código {code} tienes un {percent}% de descuento 🎉 {link}",
            "Gracias @{friend} por la foto. ¡Nos encanta!",
        ),
        ("¿Cuánto cuesta?", "¿Hacéis envíos a Canarias?", "¡Qué bonito! 😍"),
        ("hechoamano", "cerámica", "pequeñocomercio", "diseño"),
        "€{}",
        True,
    ),
    Voice(
        "pt",
        ("Olaria do Mar", "Sabão & Sol"),
        ("Feito à mão em Aveiro.",),
        ("caneca", "sabonete de aveia", "vela de soja"),
        (
            "Novidade: {product} por {price} {link}",
            "Cupom {code}: {percent}% de desconto só hoje! {link}",
            "Obrigada @{friend} ❤️",
        ),
        ("Quanto custa?", "Enviam para o Brasil?", "Que lindo!"),
        ("feitoàmão", "artesanato", "promoção"),
        "R$ {}",
        True,
    ),
    Voice(
        "ja",
        ("つちや工房", "灯りの店"),
        ("小さな工房です。",),
        ("マグカップ", "ろうそく", "木のスプーン"),
        (
            "新作の{product}、{price}で販売開始 {link}",
            "クーポン {code} で{percent}%オフ {link}",
            "@{friend} さん、素敵な写真をありがとうございます🙏",
        ),
        ("いくらですか?", "再入荷はありますか?", "かわいい😍"),
        ("手作り", "陶芸", "暮らし"),
        "¥{}",
        False,
    ),
)
