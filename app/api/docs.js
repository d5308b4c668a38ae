// Swagger UI in the page's words: each text is looked up.

const { words, ...settings } = JSON.parse(document.getElementById("viewer").textContent);
const table = words.map(([from, to]) => [RegExp(`^${from}$`), to]);
const say = (text) =>
	text?.map ? text.map(say) : text?.trim ? table.reduce((said, pair) => said.replace(...pair), text) : text;
const speak = ({ React }) => {
	const make = React.createElement;
	React.createElement = (type, props, ...inside) => {
		const name = type === "textarea" ? "Request body" : (props?.["aria-label"] ?? props?.placeholder);
		return make(type, { ...props, "aria-label": say(name), title: say(props?.title) }, ...say(inside));
	};
};

SwaggerUIBundle({ ...settings, plugins: [speak] });
