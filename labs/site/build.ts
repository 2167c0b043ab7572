import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { replayHtml } from "../replay/html.ts";
import { makeReplay } from "../replay/make.ts";
import { type Lab, readmeOf } from "../runner/manifest.ts";
import { LABS_DIR } from "../runner/paths.ts";
import { PATH_TITLES, pathOf, timeText } from "../runner/paths-of-labs.ts";
import { progressBar } from "../runner/progress.ts";
import type { LabState } from "../runner/state.ts";
import { anchorOf, pageBody, type SiteLinks } from "./markdown.ts";

const INDEX = "README.md";
const GLOSSARY = "GLOSSARY.md";
/** Characters of a section that the search looks at. */
const SEARCHED_CHARS_MAX = 2_000;

export interface SiteOptions {
  /** The folder that gets the pages; what is there already stays, unless it has the same name. */
  readonly out: string;
  readonly labs: readonly Lab[];
  /** The reader's progress. */
  readonly state: LabState;
  /** Records each lab's cases with the reference, and adds the pages. */
  readonly replays: boolean;
}

/** A section of a page, as the search finds it: address, place in words, text. */
type Section = readonly [address: string, place: string, text: string];

/** Renders the labs' first page and each lab as files that need no server; returns their paths. */
export async function buildSite({ out, labs, state, replays }: SiteOptions): Promise<string[]> {
  await mkdir(out, { recursive: true });
  const style = await readFile(join(import.meta.dirname, "style.css"), "utf8");
  const links: SiteLinks = { "": "index.html", [GLOSSARY]: "glossary.html" };
  for (const lab of labs) links[lab.folder] = pageOf(lab);
  const write = async (name: string, text: string) => {
    const path = join(out, name);
    await writeFile(path, text);
    return path;
  };
  const read = (...path: string[]) => readFile(join(LABS_DIR, ...path), "utf8");
  const sections: Section[] = [];
  const pages: [name: string, page: Omit<Page, "style">][] = [];
  const add = (name: string, text: string, of: Omit<Page, "style" | "body">, folder = "") => {
    sections.push(...sectionsOf(text, name, of.title));
    pages.push([name, { ...of, body: pageBody(text, folder, links) }]);
  };
  for (const lab of labs) {
    const hasReplay = replays && lab.replay !== undefined;
    const text = await read(lab.folder, readmeOf(lab));
    const title = `Lab ${lab.number}: ${lab.title}`;
    const about = aboutLab(labs, lab, state);
    add(pageOf(lab), text, { title, nav: navigation(labs, lab, hasReplay), about }, lab.folder);
    if (hasReplay) await write(replayPageOf(lab), await replayOf(lab));
  }
  const home = link("index.html", "All labs");
  add("glossary.html", await read(GLOSSARY), { title: "Glossary", nav: home, about: "" });
  const first = pageBody(await read(INDEX), "", links);
  const nav = link("glossary.html", "Glossary");
  const about = `${progressBar(labs, state)} ${SEARCH}`;
  const script = await searchScript(sections);
  const index = page({ title: "The labs", style, nav, about, body: `${first}${script}` });
  const written = [await write("index.html", index)];
  for (const [name, each] of pages) written.push(await write(name, page({ ...each, style })));
  return written;
}

const SEARCH =
  '<input id="search" type="search" placeholder="Search all labs"><ol id="found"></ol>';

/** The search of the first page, with all sections: it asks no server. */
async function searchScript(sections: readonly Section[]): Promise<string> {
  const code = await readFile(join(import.meta.dirname, "search.js"), "utf8");
  const data = JSON.stringify(sections).replaceAll("<", "\\u003c");
  return `<script>const SECTIONS = ${data};\n${code}</script>`;
}

function sectionsOf(markdown: string, name: string, title: string): Section[] {
  return markdown.split(/^##+ /m).map((section, i) => {
    const heading = i === 0 ? "" : section.slice(0, section.indexOf("\n"));
    const text = section.replace(/[`*|]|\]\([^)]*\)|\[/g, "").slice(0, SEARCHED_CHARS_MAX);
    const place = heading === "" ? title : `${title}: ${heading}`;
    return [heading === "" ? name : `${name}#${anchorOf(heading)}`, place, text];
  });
}

async function replayOf(lab: Lab): Promise<string> {
  const again = `${lab.number} --reference`;
  return replayHtml(await makeReplay(lab, { trees: [], source: "the reference", again }));
}

const pageOf = ({ folder }: Lab): string => `${folder}.html`;

const replayPageOf = ({ folder }: Lab): string => `${folder}-replay.html`;

const link = (to: string, text: string) => `<a href="${to}">${text}</a>`;

/** A lab's place on its path, its time, and how far the reader is. */
function aboutLab(labs: readonly Lab[], lab: Lab, state: LabState): string {
  const on = pathOf(labs, lab.path);
  const progress = state.labs[lab.number];
  const builds = lab.after.map((number) => {
    const other = labs.find((each) => each.number === number);
    return other ? link(pageOf(other), number) : number;
  });
  return [
    `${PATH_TITLES[lab.path].split(":")[0]}, ${on.indexOf(lab) + 1} of ${on.length}`,
    timeText(lab.minutes),
    ...(lab.root ? ["needs root"] : []),
    ...(builds.length > 0 ? [`builds on ${builds.join(", ")}`] : []),
    ...(progress ? [progress.passedAt ? "✓ passed" : "started"] : []),
  ].join(" · ");
}

function navigation(labs: readonly Lab[], lab: Lab, hasReplay: boolean): string {
  const on = pathOf(labs, lab.path);
  const at = on.indexOf(lab);
  const [before, after] = [on[at - 1], on[at + 1]];
  return [
    link("index.html", "All labs"),
    ...(before ? [link(pageOf(before), `← ${before.number}`)] : []),
    ...(after ? [link(pageOf(after), `${after.number} →`)] : []),
    link("glossary.html", "Glossary"),
    ...(hasReplay ? [`<b>${link(replayPageOf(lab), "▶ Replay")}</b>`] : []),
  ].join("\n");
}

interface Page {
  readonly title: string;
  readonly style: string;
  readonly nav: string;
  /** HTML that is shown above the text. */
  readonly about: string;
  readonly body: string;
}

function page({ title, style, nav, about, body }: Page): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${style}</style>
<nav>${nav}</nav>
<main>
<div class="about">${about}</div>
${body}</main>
<nav>${nav}</nav>
</html>
`;
}
