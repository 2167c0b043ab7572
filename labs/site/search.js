// The search of the first page: sections in which every typed word is, those with it in the title
// first.
const FOUND_MAX = 20;
const field = document.getElementById("search");
const list = document.getElementById("found");
field.addEventListener("input", () => {
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (text) => words.every((word) => text.toLowerCase().includes(word));
  const all = words.length === 0 ? [] : SECTIONS.filter(([, place, text]) => has(place + text));
  const found = [...all.filter(([, place]) => has(place)), ...all.filter(([, place]) => !has(place))];
  list.replaceChildren(...found.slice(0, FOUND_MAX).map(([address, place]) => {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = address;
    link.textContent = place;
    item.append(link);
    return item;
  }));
});
