import { foldedJson } from "./folded-json.ts";
import type { Answer } from "./recorder.ts";

/** Headers of most answers: a transcript names only others, and which of these an answer lacks. */
export const USUAL: Readonly<Record<string, string>> = {
  "content-type": "application/json",
  "cache-control": "no-cache, private",
};

/** A transcript that cannot be read. */
export class TranscriptError extends Error {
  override readonly name = "TranscriptError";
}

/** One step of a case: a request as its text (`request-text.ts`), and the answer to it. */
export interface Step {
  readonly request: string;
  /** Whether an answer is recorded: it stands after `----`, and is empty in a new step. */
  readonly isRecorded: boolean;
  readonly answer?: Answer;
}

/**
 * Returns the transcripts of some cases as text: each request above `----`, then the answer's
 * status, headers and body. `parseTranscripts` is the inverse.
 */
export function formatTranscripts(cases: ReadonlyMap<string, readonly Step[]>): string {
  return [...cases]
    .map(([name, steps]) => `# ${name}\n\n${steps.map(formatStep).join("\n")}`)
    .join("\n");
}

function formatStep({ request, isRecorded, answer }: Step): string {
  const lines = [request, ...(isRecorded ? ["----"] : []), ...(answer ? answerLines(answer) : [])];
  return `${lines.join("\n")}\n`;
}

function answerLines({ status, headers, body }: Answer): string[] {
  const lacking = Object.keys(USUAL).filter((name) => !(name in headers));
  return [
    String(status),
    ...lacking.map((name) => `- ${name}`),
    ...Object.entries(headers)
      .filter(([name, value]) => USUAL[name] !== value)
      .map(([name, value]) => `${name}: ${value}`),
    ...(body === undefined ? [] : [foldedJson(body)]),
  ];
}

/**
 * Returns the steps of each case in a text that `formatTranscripts` made, or that a person wrote:
 * then answers may be missing. Throws TranscriptError with the line's number for any other.
 */
export function parseTranscripts(text: string): Map<string, Step[]> {
  const cases = new Map<string, Step[]>();
  let steps: Step[] | undefined;
  let line = 1;
  for (const block of text.split("\n\n")) {
    if (block.startsWith("# ")) cases.set(block.slice(2), (steps = []));
    else if (steps) steps.push(parseStep(block.replace(/\n$/, ""), line));
    else throw new TranscriptError(`line ${line}: a request before the first "# CASE"`);
    line += block.split("\n").length + 1;
  }
  return cases;
}

function parseStep(block: string, line: number): Step {
  const [request, recorded] = block.split(/\n----(?:\n|$)/);
  if (!request || request.startsWith("----")) {
    throw new TranscriptError(`line ${line}: no request before ----`);
  }
  if (recorded === undefined) return { request, isRecorded: false };
  if (recorded === "") return { request, isRecorded: true };
  return { request, isRecorded: true, answer: parseAnswer(recorded, line) };
}

function parseAnswer(text: string, line: number): Answer {
  const [, status, rest = ""] = /^(\d+)(?:\n([^]*))?$/.exec(text) ?? [];
  if (status === undefined) throw new TranscriptError(`line ${line}: an answer without a status`);
  const headers: Record<string, string> = { ...USUAL };
  const lines = rest === "" ? [] : rest.split("\n");
  const isHeader = (each: string) => /^(- [a-z-]+|[a-z-]+: .*)$/.test(each);
  const body = lines.splice(lines.findIndex((each) => !isHeader(each)) >>> 0).join("\n");
  for (const each of lines) {
    const [, lacking, name, value] = /^(?:- (.*)|([a-z-]+): (.*))$/.exec(each)!;
    if (lacking !== undefined) delete headers[lacking];
    else headers[name!] = value!;
  }
  return { status: Number(status), headers, ...(body && { body: parseJson(body, line) }) };
}

function parseJson(text: string, line: number): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TranscriptError(`request of line ${line}: not JSON: ${String(cause)}`);
  }
}
