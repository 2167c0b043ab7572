import { posix } from "node:path";
import { Marked } from "marked";

/** Pages by the labs' folders, and the first page by an empty name. */
export type SiteLinks = Record<string, string>;

/**
 * Renders a document of a lab's folder as HTML. Links to documents of the site lead to its pages;
 * links to other files of the repository, which a site does not have, become their text. HTML in
 * the text stays as it is: the documents are our own.
 */
export function pageBody(markdown: string, folder: string, links: SiteLinks): string {
  const marked = new Marked({ gfm: true });
  marked.use({
    renderer: {
      link({ href, tokens }) {
        const text = this.parser.parseInline(tokens);
        const target = targetOf(href, folder, links);
        return target === undefined ? text : `<a href="${target}">${text}</a>`;
      },
      heading({ tokens, depth, text }) {
        const inner = this.parser.parseInline(tokens);
        return `<h${depth} id="${anchorOf(text)}">${inner}</h${depth}>\n`;
      },
      table({ header, rows }) {
        const cells = (row: typeof header, tag: string) => {
          return row.map(({ tokens }) => `<${tag}>${this.parser.parseInline(tokens)}</${tag}>`);
        };
        const lines = rows.map((row) => `<tr>${cells(row, "td").join("")}</tr>`);
        const head = `<thead><tr>${cells(header, "th").join("")}</tr></thead>`;
        const body = `<tbody>${lines.join("\n")}</tbody>`;
        // A wide table scrolls by itself on a phone.
        return `<div class="wide"><table>${head}${body}</table></div>\n`;
      },
    },
  });
  return marked.parse(markdown, { async: false });
}

/** A heading's anchor, as GitHub makes it. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .trim()
    .replace(/ /g, "-");
}

/** Where a link leads on the site; undefined for a file that is not part of it. */
function targetOf(href: string, folder: string, links: SiteLinks): string | undefined {
  if (/^([a-z]+:|#)/.test(href)) return href;
  const [path = "", anchor] = href.split("#");
  const inside = posix.normalize(posix.join(folder, path));
  if (links[inside] !== undefined && inside.endsWith(".md")) {
    return `${links[inside]}${anchor === undefined ? "" : `#${anchor}`}`;
  }
  const document = /^(?:(.*)\/)?README(\.\w+)?\.md$/.exec(inside);
  const page = document ? links[document[1] ?? ""] : undefined;
  return page && `${page}${anchor === undefined ? "" : `#${anchor}`}`;
}
