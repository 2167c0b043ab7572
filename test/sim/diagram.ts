import type { Message } from "@raft2kube/store/core/message.ts";
import type { Transcript, TranscriptMessage } from "./transcript.ts";

const COLUMN = 14;

/** A message in two or three words. */
function label(message: Message): string {
  switch (message.kind) {
    case "append":
      return message.entries.length > 0 ? `append +${message.entries.length}` : "append";
    case "append-reply":
      return message.reject ? `no ${message.index}` : `ok ${message.index}`;
    case "vote":
      return message.pre ? "pre-vote?" : "vote?";
    case "vote-reply":
      return `${message.pre ? "pre-" : ""}${message.granted ? "yes" : "no"}`;
    case "heartbeat-reply":
      return "alive";
    default:
      return message.kind;
  }
}

function membersOf(messages: readonly TranscriptMessage[]): bigint[] {
  const ids = new Set(messages.flatMap(({ message }) => [message.from, message.to]));
  return [...ids].sort((a, b) => (a < b ? -1 : 1));
}

/** The last messages that arrived, one line each: an arrow from the sender's column. */
export function textDiagram({ messages }: Transcript, count: number): string[] {
  const shown = messages.slice(-count);
  const ids = membersOf(shown);
  const head = " ".repeat(11) + ids.map((id) => String(id).padEnd(COLUMN)).join("");
  const lines = shown.map(({ arrived_ms, message }) => {
    const from = ids.indexOf(message.from);
    const to = ids.indexOf(message.to);
    const arrow = arrowBetween(Math.min(from, to), Math.max(from, to), to > from, ids.length);
    return `${arrived_ms.toFixed(2).padStart(10)} ${arrow} ${label(message)} t${message.term}`;
  });
  return [head, ...lines];
}

function arrowBetween(left: number, right: number, rightward: boolean, columns: number): string {
  const cells = Array.from({ length: (columns - 1) * COLUMN + 1 }, (_, at): string => {
    const inside = at >= left * COLUMN && at <= right * COLUMN;
    if (inside) return "-";
    return at % COLUMN === 0 ? "|" : " ";
  });
  cells[left * COLUMN] = rightward ? "+" : "<";
  cells[right * COLUMN] = rightward ? ">" : "+";
  return cells.join("");
}

const SVG_COLUMN = 140;
const ROW = 18;
const MARGIN = 60;

/** The same as a drawing, time going down. */
export function svgDiagram({ messages }: Transcript, count: number): string {
  const shown = messages.slice(-count);
  const ids = membersOf(shown);
  const x = (id: bigint) => MARGIN + ids.indexOf(id) * SVG_COLUMN;
  const height = MARGIN + (shown.length + 2) * ROW;
  const columns = ids.map(
    (id) =>
      `<line x1="${x(id)}" y1="30" x2="${x(id)}" y2="${height}" class="column"/>` +
      `<text x="${x(id)}" y="20" text-anchor="middle">member ${id}</text>`,
  );
  const arrows = shown.map(({ message, arrived_ms }, i) => {
    const y = MARGIN + i * ROW;
    const [from, to] = [x(message.from), x(message.to)];
    const text = `${label(message)} t${message.term}`;
    const title = `${arrived_ms.toFixed(2)} ms`;
    return (
      `<line x1="${from}" y1="${y}" x2="${to}" y2="${y + ROW}" marker-end="url(#head)"/>` +
      `<text x="${(from + to) / 2}" y="${y + ROW / 2 - 2}" text-anchor="middle">` +
      `<title>${title}</title>${text}</text>`
    );
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${2 * MARGIN + ids.length * SVG_COLUMN}"`,
    ` height="${height}" font-family="sans-serif" font-size="10">`,
    "<style>line{stroke:#456}.column{stroke:#bbb}</style>",
    '<defs><marker id="head" refX="6" refY="3" markerWidth="6" markerHeight="6" orient="auto">',
    '<path d="M0 0L6 3L0 6z" fill="#456"/></marker></defs>',
    ...columns,
    ...arrows,
    "</svg>",
  ].join("\n");
}
