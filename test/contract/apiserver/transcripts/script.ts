import { encodeObject } from "@raft2kube/api/codec/envelope.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "../../../../testing/wait.ts";
import type { Sent } from "./caller.ts";
import { type Hooks, type Serving, startHooks } from "./hooks.ts";
import type { Case, Exchange, Recorder } from "./recorder.ts";
import { contains, parseRequest, resolve } from "./request-text.ts";
import { type Step, TranscriptError } from "./transcript.ts";

/** A request that needs the case's server of webhooks. */
const SERVES = /^(serve|received) /m;

const PROTOBUF = "application/vnd.kubernetes.protobuf";

/** How long a server may take to follow a change: an `until` fails then. */
const FOLLOWED_TIMEOUT_MS = 60_000;

/** A case that is played from its text. */
export interface Script extends Case {
  readonly steps: readonly Step[];
}

export function scriptOf(name: string, steps: readonly Step[]): Script {
  return { name, steps, run: (recorder) => play(steps, recorder) };
}

/** Returns a script's steps with the answers of a run. */
export function withAnswers(steps: readonly Step[], exchanges: readonly Exchange[]): Step[] {
  const answers = exchanges.values();
  return steps.map(({ request, isRecorded }) => {
    if (!isRecorded) return { request, isRecorded };
    const { ask: _ask, sent: _sent, ...answer } = answers.next().value!;
    return { request, isRecorded, answer };
  });
}

async function play(steps: readonly Step[], recorder: Recorder): Promise<void> {
  const hooks = steps.some(({ request }) => SERVES.test(request)) ? await startHooks() : undefined;
  try {
    if (hooks !== undefined) recorder.conceal(hooks);
    await playSteps(steps, recorder, hooks);
  } finally {
    await hooks?.close();
  }
}

async function playSteps(
  steps: readonly Step[],
  recorder: Recorder,
  hooks: Hooks | undefined,
): Promise<void> {
  const answers = new Map<string, unknown>(hooks === undefined ? [] : [["hooks", hooks]]);
  for (const { request, isRecorded } of steps) {
    const { name, method, until, only, ...rest } = parseRequest(request);
    const path = String(resolve(rest.path, answers));
    const sent = inWireForm(resolve(rest.sent, answers) as Sent);
    const ask = () =>
      isRecorded ? recorder.ask(method, path, sent, only) : recorder.peek(method, path, sent);
    let answer: unknown;
    if (method === "sign") answer = recorder.sign(sent.body as object);
    else if (method === "let") answer = sent.body;
    else if (method === "serve") hooks!.serve(path, sent.body as Serving);
    else if (method === "received") {
      const requests = hooks!.received(path);
      if (isRecorded) recorder.note(`received ${path}`, requests);
    } else if (until === undefined) answer = await ask();
    else if (isRecorded) throw new TranscriptError(`${request}: what is repeated has no answer`);
    else {
      const isReached = async () => contains((answer = await ask()), until);
      const waiting = { clock: systemClock(), timeout_ms: FOLLOWED_TIMEOUT_MS };
      await waitFor(`${request} to be answered so`, isReached, waiting);
    }
    if (name !== undefined) answers.set(name, answer);
  }
}

/** An object of the core group that is sent as protobuf is written as JSON, too. */
function inWireForm(sent: Sent): Sent {
  if (sent.type !== PROTOBUF || typeof sent.body !== "object") return sent;
  const object = sent.body as KubeObject;
  return { ...sent, body: encodeObject(`core/${object.apiVersion}.${object.kind}`, object) };
}
