import { foldedJson } from "./folded-json.ts";
import type { Exchange } from "./recorder.ts";

/** Headers of most answers: a transcript names only others, and which of these an answer lacks. */
const USUAL: Readonly<Record<string, string>> = {
  "content-type": "application/json",
  "cache-control": "no-cache, private",
};

/** A transcript that cannot be read. */
export class TranscriptError extends Error {
  override readonly name = "TranscriptError";
}

/**
 * Returns the transcripts of some cases as text: each request with its body above `----`, then the
 * answer's status, headers and body. `parseTranscripts` is the inverse.
 */
export function formatTranscripts(cases: ReadonlyMap<string, readonly Exchange[]>): string {
  return [...cases]
    .map(([name, exchanges]) => `# ${name}\n\n${exchanges.map(formatExchange).join("\n")}`)
    .join("\n");
}

function formatExchange({ ask, sent, status, headers, body }: Exchange): string {
  const lacking = Object.keys(USUAL).filter((name) => !(name in headers));
  const lines = [
    ask,
    ...(sent === undefined ? [] : [foldedJson(sent)]),
    "----",
    String(status),
    ...lacking.map((name) => `- ${name}`),
    ...Object.entries(headers)
      .filter(([name, value]) => USUAL[name] !== value)
      .map(([name, value]) => `${name}: ${value}`),
    ...(body === undefined ? [] : [foldedJson(body)]),
  ];
  return `${lines.join("\n")}\n`;
}

/**
 * Returns the exchanges of each case in a text that `formatTranscripts` made. Throws
 * TranscriptError with the line's number for any other.
 */
export function parseTranscripts(text: string): Map<string, Exchange[]> {
  const cases = new Map<string, Exchange[]>();
  let exchanges: Exchange[] | undefined;
  let line = 1;
  for (const block of text.split("\n\n")) {
    if (block.startsWith("# ")) cases.set(block.slice(2), (exchanges = []));
    else if (exchanges) exchanges.push(parseExchange(block.trimEnd(), line));
    else throw new TranscriptError(`line ${line}: a request before the first "# CASE"`);
    line += block.split("\n").length + 1;
  }
  return cases;
}

function parseExchange(block: string, line: number): Exchange {
  const [, ask, sent, status, rest = ""] =
    /^(.+)\n(?:([^]+?)\n)??----\n(\d+)(?:\n([^]*))?$/.exec(block) ?? [];
  if (ask === undefined) throw new TranscriptError(`line ${line}: no request, ---- and status`);
  const headers: Record<string, string> = { ...USUAL };
  const lines = rest === "" ? [] : rest.split("\n");
  const isHeader = (each: string) => /^(- [a-z-]+|[a-z-]+: .*)$/.test(each);
  const body = lines.splice(lines.findIndex((each) => !isHeader(each)) >>> 0).join("\n");
  for (const each of lines) {
    const [, lacking, name, value] = /^(?:- (.*)|([a-z-]+): (.*))$/.exec(each)!;
    if (lacking !== undefined) delete headers[lacking];
    else headers[name!] = value!;
  }
  return {
    ask,
    ...(sent === undefined ? {} : { sent: parseJson(sent, line) }),
    status: Number(status),
    headers,
    ...(body === "" ? {} : { body: parseJson(body, line) }),
  };
}

function parseJson(text: string, line: number): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TranscriptError(`request of line ${line}: not JSON: ${String(cause)}`);
  }
}
