"""The words that English stories are told with. Data only: names, things, places, measures. `+` stands for a space."""

HE = """
    Adam Allan Ben Benny Bill Bobby Bryan Carlos Charlie Chris Dan Daniel Danny Dave David Dean Ed Edward Eric Frank Fred
    George Gerald Henry Jack Jake James Jason Jeff Jerry Jim John Jonah Josh Keith Kevin Lawrence Lewis Luke Marco Matthew
    Mike Nate Ned Oliver Oscar Paco Paul Philip Randy Robert Roger Ron Ryan Sam Stanley Steven Tim Tom Tony Victor Warren
    Will Zachary Baker
""".split()
SHE = """
    Alyssa Amy April Bianca Brenda Carol Carolyn Chloe Christine Debby Diane Ellen Emily Emma Faye Gwen Haley Helen Isabel
    Jackie Jane Janet Jessica Jill Joan Julia Kaleb Katie Kelly Lana Lexie Lisa Lucy Maria Mary Megan Melanie Nancy Nell
    Nicole Olivia Paige Rachel Robin Rose Sally Sandy Sara Sarah Sharon Shirley Sofia Tiffany Vanessa Wendy Zoe
""".split()

WORDS = {
    "o": """
        apples oranges peaches pears plums limes lemons bananas strawberries blueberries tomatoes potatoes carrots onions
        turnips pumpkins watermelons peppers eggs cookies cakes cupcakes brownies pies muffins donuts crackers sandwiches
        hamburgers pizzas slices candies lollipops chocolates balloons marbles blocks toys dolls games cards stickers stamps
        coins pennies nickels dimes quarters books magazines notebooks pages pencils pens crayons erasers markers rulers
        scissors envelopes letters emails files folders photos pictures paintings songs movies tickets seashells starfishes
        stones rocks shells feathers beads necklaces bracelets rings shirts socks hats shoes coats jackets buttons flowers
        roses orchids tulips daisies trees bushes seeds plants leaves sticks logs boards birds ducks geese chickens cows
        horses sheep goats pigs dogs cats puppies kittens rabbits turtles fish frogs bees bears storks ladybugs mice bottles
        cans cups plates bowls spoons forks glasses jars lamps chairs tables desks beds towels pillows phones computers
        bicycles cars trucks buses boats planes tires bolts nuts screws nails bearings gears shafts valves pumps pipes wires
        cables sensors motors tools hammers drills crates pallets panels bricks tiles caps wrappers points problems questions
        worksheets lawns rooms windows doors houses sacks bales skittles baseballs footballs decks trays invitations sodas
        apps maps keys badges labels sheets clips batteries bulbs filters belts hoses brackets washers seals castings lives
        dvds raisins sandcastles push-ups crunches jumps baseball+cards bottle+caps action+figures video+games coloring+books
        t-shirts toy+cars magic+cards oak+trees apple+trees maple+trees walnut+trees dogwood+trees goldfish laps pastries
        spots
    """.split(),
    "thing": "necklace bracelet cake pie bouquet kite lamp chair bag table+set fence".split(),
    "box": """
        box bag basket pack package carton case crate bin jar shelf drawer bucket tray pile group row page album folder
        binder stack sack barrel pallet can bottle team truck tank cage vase room tube rack pen house
    """.split(),
    "spot": """
        drawer bank box basket vase room pocket bag desk collection garage bedroom bin toolbox cabinet cupboard barn yard
        tank library
    """.split(),
    "place": """
        park garden school yard class library store farm zoo village town field orchard playground aquarium gym museum
        factory warehouse shop office hall workshop county camp
    """.split(),
    "staff": "workers farmers students teachers gardeners engineers volunteers employees".split(),
    "people": """
        people children students kids friends boys girls players workers guests campers customers members pupils visitors
        families classmates cousins
    """.split(),
    "store": """
        store bakery restaurant shop bookstore cafeteria factory pet+store toy+store grocery+store farm museum mall
        supermarket
    """.split(),
    "kin": """
        mom dad mother father sister brother uncle aunt friend teacher grandmother grandfather boss cousin neighbor
    """.split(),
    "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
    "u": "miles inches feet meters kilometers yards centimeters".split(),
    "v": "pounds kilograms grams gallons liters cups tons buckets bags ounces tablespoons cartons".split(),
    "food": """
        pizza bacon mashed+potatoes rice soup ice+cream salad fruit cheese pasta chicken fish tacos noodles bread tomatoes
        beans
    """.split(),
    "animal": "frog grasshopper mouse rabbit dog cat horse sheep bird goat worm caterpillar".split(),
    "ride": "ferris+wheel bus train roller+coaster boat carousel".split(),
    "many": "shorts shoes pants clothes speakers tires".split(),
    "good": """
        book toy shirt jacket hat game ball bike lamp pizza sandwich ticket magazine skirt sweater watch bat guitar radio
        tool wrench drill cable shorts shoes pants clothes glove clarinet song+book video+game basketball+game toy+truck
        lunch+box burger speakers tires
    """.split(),
    "stuff": """
        water flour sugar milk salt rice oil sand paint juice butter honey lemonade cement dirt coffee soil steel glue soup
        cheese food wood raisins peanuts wheat
    """.split(),
    "item": """
        rope board dog cat pencil pipe tower fish caterpillar book pumpkin hair+ribbon desk belt cable sandcastle bus+ride
        table
    """.split(),
    "c1": """
        red blue green yellow white black orange purple pink brown violet big small large old new ripe short long good silver
        chocolate oatmeal regular diet picture
    """.split(),
}
TASTES = [("sweet", "salty"), ("salty", "sweet"), ("chocolate chip", "oatmeal"), ("sugar", "raisin")]
RIPENESS = [("ripe", "unripe"), ("unripe", "ripe"), ("sweet", "sour"), ("big", "small")]
IRREGULAR = {
    "mice": "mouse",
    "inches": "inch",
    "feet": "foot",
    "geese": "goose",
    "leaves": "leaf",
    "sheep": "sheep",
    "fish": "fish",
    "goldfish": "goldfish",
    "scissors": "scissors",
    "shoes": "shoe",
    "cookies": "cookie",
    "brownies": "brownie",
    "pies": "pie",
    "movies": "movie",
    "families": "family",
    "lives": "life",
    "buses": "bus",
}
PLURAL = {"shelf": "shelves", "box": "boxes", "family": "families"}
SYLLABLES = """
    ba be bo da de di ka ke ko la le li lo ma me mi mo na ne no ra re ri ro sa se so ta te ti to va ve vi za ze zo
""".split()
SPELLED = "zero one two three four five six seven eight nine ten eleven twelve".split()
