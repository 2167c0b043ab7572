/** Sends a sequence to two servers and finds where their answers part. */
import type { Call } from "../transcripts/caller.ts";
import { differences } from "../transcripts/differences.ts";
import { type Asked, type Exchange, record } from "../transcripts/recorder.ts";
import { whyKnown } from "./known.ts";
import { shrink, smaller } from "./shrink.ts";
import { caseOf, type Step } from "./step.ts";

/** The first answer of a sequence that differs. */
export interface Parting {
  readonly index: number;
  readonly theirs: Exchange;
  readonly ours: Exchange;
  readonly lines: readonly string[];
}

/** Two servers that should answer alike. */
export class Pair {
  readonly #theirs: Asked;
  readonly #ours: Asked;
  #recorded = 0;
  requests = 0;

  constructor(theirs: Asked, ours: Asked) {
    this.#theirs = theirs;
    this.#ours = ours;
  }

  /** Sends a sequence in a new namespace; undefined where the answers are the same. */
  async parting(steps: readonly Step[]): Promise<Parting | undefined> {
    const testCase = caseOf(`random-${++this.#recorded}`, steps);
    const [theirs, ours] = await Promise.all([
      record(testCase, named("theirs", this.#theirs)),
      record(testCase, named("ours", this.#ours)),
    ]);
    this.requests += steps.length;
    for (const [index, each] of theirs.entries()) {
      const mine = ours[index]!;
      const lines = differences(withoutAsk(each), withoutAsk(mine));
      if (lines.length === 0) continue;
      const found = { index, theirs: each, ours: mine, lines };
      if (whyKnown(steps[index]!, found) === undefined) return found;
    }
    return undefined;
  }

  /** A short sequence whose answers part in the same way at its end. */
  async shortest(steps: readonly Step[], found: Parting): Promise<readonly Step[]> {
    const upTo = steps.slice(0, found.index + 1);
    const shows = async (tried: readonly Step[]) => {
      const parting = await this.parting(tried);
      return parting !== undefined && signOf(parting) === signOf(found);
    };
    return await shrink(upTo, simplerSteps, shows);
  }
}

/** A connection that breaks is a difference too: the error says whose, and at which request. */
const named = (whose: string, server: Asked): Asked => ({
  ...server,
  call: guarded(whose, server.call),
});

const guarded =
  (whose: string, call: Call): Call =>
  async (method, path, sent) => {
    try {
      const received = await call(method, path, sent);
      const isStream = /protobuf;stream=watch/.test(String(received.headers["content-type"]));
      if (!isStream) return received;
      const headers = { ...received.headers, "content-type": "text/plain" };
      return { ...received, headers, body: framesOf(received.body) };
    } catch (cause) {
      const text = `${whose} broke off: ${String(cause)}`;
      const headers = { "content-type": "text/plain" };
      return { status: 0, headers, body: Buffer.from(text) };
    }
  };

/** The number of a protobuf watch's events; their content is not compared. */
function framesOf(body: Buffer): Buffer {
  let frames = 0;
  for (let at = 0; at < body.length; at += 4 + body.readUInt32BE(at)) frames += 1;
  return Buffer.from(`${frames} frames`);
}

const withoutAsk = ({ ask: _ask, sent: _sent, ...rest }: Exchange): Partial<Exchange> => rest;

/**
 * Returns the key that two differences of the same cause share: the codes, and the place of the
 * first.
 */
export function signOf({ theirs, ours, lines }: Parting): string {
  const at = lines[0]!.split(": theirs ")[0]!.replace(/\.\d+\b/g, ".N");
  return `${theirs.status} ${ours.status} ${at} ${gistOf(theirs)} / ${gistOf(ours)}`;
}

const GIST_LENGTH = 40;

/** How a message starts, without what is quoted in it. */
function gistOf({ body }: Exchange): string {
  const text = /"message":"((?:[^"\\]|\\.)*)"/.exec(JSON.stringify(body ?? ""))?.[1] ?? "";
  return text.replace(/\\"(?:[^"\\]|\\[^"])*\\"/g, "_").slice(0, GIST_LENGTH);
}

function simplerSteps(step: Step): readonly Step[] {
  const { body, ...rest } = step;
  const queries = lessQuery(step.path).map((path) => ({ ...step, path }));
  if (body === undefined) return queries;
  return [...queries, ...[...smaller(body)].map((less) => ({ ...rest, body: less }))];
}

/** The path with one parameter less. */
function lessQuery(path: string): string[] {
  const [place = "", query] = path.split(/\?(.*)/s);
  if (!query) return [];
  const words = query.split("&");
  return words.map((_, index) => {
    const left = words.toSpliced(index, 1);
    return left.length === 0 ? place : `${place}?${left.join("&")}`;
  });
}
