// Swagger UI in the page's words: each text and name is looked up.

const { words, ...settings } = JSON.parse(document.getElementById("viewer").textContent);
const table = words.map(([from, to]) => [RegExp(`^${from}$`), to]);
const say = (text) => (text?.trim ? table.reduce((said, pair) => said.replace(...pair), text) : text);
const speak = ({ React }) => {
	const make = React.createElement;
	React.createElement = (type, props, ...inside) =>
		make(type, { ...props, "aria-label": say(props?.["aria-label"]), title: say(props?.title) }, ...inside.map(say));
};

SwaggerUIBundle({ ...settings, plugins: [speak] });
