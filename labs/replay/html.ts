import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Replay } from "./recording.ts";

const PAGE_DIR = join(import.meta.dirname, "page");

/** Returns the replay page as one file without references to others. */
export async function replayHtml(replay: Replay): Promise<string> {
  const [script, style] = await Promise.all([
    bundled(),
    readFile(join(PAGE_DIR, "style.css"), "utf8"),
  ]);
  return [
    "<!doctype html>",
    '<html lang="en">',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>Lab ${replay.lab}: ${escaped(replay.title)}</title>`,
    // Without an icon of its own a browser asks the server for one.
    '<link rel="icon" href="data:,">',
    `<style>${style}</style>`,
    '<div id="page"></div>',
    `<script type="application/json" id="replay">${scriptSafe(JSON.stringify(replay))}</script>`,
    `<script>${scriptSafe(script)}</script>`,
    "</html>",
    "",
  ].join("\n");
}

/** The page's modules as one script. */
async function bundled(): Promise<string> {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    entryPoints: [join(PAGE_DIR, "main.ts")],
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    write: false,
    logLevel: "error",
  });
  return outputFiles[0]!.text;
}

/** A text that may stand in a script element: it cannot end it, nor start a comment. */
function scriptSafe(text: string): string {
  return text.replaceAll("<!--", "\\u003c!--").replace(/<(?=\/?script)/gi, "\\u003c");
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
