import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { replayHtml } from "../replay/html.ts";
import { makeReplay } from "../replay/make.ts";
import { type Lab, readmeOf } from "../runner/manifest.ts";
import { LABS_DIR } from "../runner/paths.ts";
import { type SiteLinks, pageBody } from "./markdown.ts";

const INDEX = "README.md";

export interface SiteOptions {
  /** The folder that gets the pages; what is there already stays, unless it has the same name. */
  readonly out: string;
  readonly labs: readonly Lab[];
  /** Records each lab's cases with the reference, and adds the pages. */
  readonly replays: boolean;
}

/** Renders the labs' first page and each lab as files that need no server; returns their paths. */
export async function buildSite({ out, labs, replays }: SiteOptions): Promise<string[]> {
  await mkdir(out, { recursive: true });
  const style = await readFile(join(import.meta.dirname, "style.css"), "utf8");
  const links: SiteLinks = { "": "index.html" };
  for (const lab of labs) links[lab.folder] = pageOf(lab);
  const write = async (name: string, text: string) => {
    const path = join(out, name);
    await writeFile(path, text);
    return path;
  };
  const index = await readFile(join(LABS_DIR, INDEX), "utf8");
  const first = page({ title: "The labs", style, nav: "", body: pageBody(index, "", links) });
  const written = [await write("index.html", first)];
  for (const [i, lab] of labs.entries()) {
    const text = await readFile(join(LABS_DIR, lab.folder, readmeOf(lab)), "utf8");
    const hasReplay = replays && lab.replay !== undefined;
    const nav = navigation(labs, i, hasReplay);
    const body = pageBody(text, lab.folder, links);
    const title = `Lab ${lab.number}: ${lab.title}`;
    written.push(await write(pageOf(lab), page({ title, style, nav, body })));
    if (hasReplay) written.push(await write(replayPageOf(lab), await replayOf(lab)));
  }
  return written;
}

async function replayOf(lab: Lab): Promise<string> {
  const again = `${lab.number} --reference`;
  return replayHtml(await makeReplay(lab, { trees: [], source: "the reference", again }));
}

function pageOf({ folder }: Lab): string {
  return `${folder}.html`;
}

function replayPageOf({ folder }: Lab): string {
  return `${folder}-replay.html`;
}

function navigation(labs: readonly Lab[], i: number, hasReplay: boolean): string {
  const link = (to: string, text: string) => `<a href="${to}">${text}</a>`;
  const [before, lab, after] = [labs[i - 1], labs[i]!, labs[i + 1]];
  return [
    link("index.html", "All labs"),
    ...(before ? [link(pageOf(before), `← ${before.number}`)] : []),
    ...(after ? [link(pageOf(after), `${after.number} →`)] : []),
    ...(hasReplay ? [`<b>${link(replayPageOf(lab), "▶ Replay")}</b>`] : []),
  ].join("\n");
}

interface Page {
  readonly title: string;
  readonly style: string;
  readonly nav: string;
  readonly body: string;
}

function page({ title, style, nav, body }: Page): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${style}</style>
<nav>${nav}</nav>
<main>
${body}</main>
<nav>${nav}</nav>
</html>
`;
}
