import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { parse } from "yaml";
import { describeJudgement } from "../judge.ts";
import type { CheckOutcome, OnOutcome, Verdict } from "./check.ts";
import { LabError } from "./lab-error.ts";
import type { Lab } from "./manifest.ts";
import { LABS_DIR, ROOT_DIR } from "./paths.ts";

/** A step of a small lab: a state of the running cluster, or an answer of the reader. */
export interface Step {
  readonly title: string;
  /** A command of the shell that only asks; NS is the lab's namespace, MY the reader's folder. */
  readonly ask?: string;
  /** The key in the reader's `answers.yaml`. */
  readonly answer?: string;
  /** The expected output, or a regular expression for it. */
  readonly is?: string;
  readonly matches?: string;
  readonly why: string;
  /** Whether it holds from the beginning: a solution must not lose it. */
  readonly holds?: boolean;
}

export interface StepsRequest {
  /** The reader's folder of this lab. */
  readonly folder: string;
  /** KUBECONFIG, and PATH with kubectl. */
  readonly env: NodeJS.ProcessEnv;
  /** Runs a command of the shell, and returns what it prints; on this machine by default. */
  readonly shell?: Shell | undefined;
  /** How long a state that is on its way is waited for. */
  readonly patience_ms?: number | undefined;
  /** Part of the titles of the steps to judge. */
  readonly only?: string | undefined;
}

type Shell = (command: string, env: NodeJS.ProcessEnv) => Promise<string>;

const PATIENCE_MS = 5_000;
const ASK_INTERVAL_MS = 250;
/** The longest that one command may take. */
const COMMAND_MS_MAX = 20_000;
const SAID_CHARS_MAX = 2_000;

/** The namespace of a small lab. */
export const namespaceOf = ({ number }: Pick<Lab, "number">) => `lab-${number}`;

export function stepsOf(lab: Lab): Step[] {
  const path = join(LABS_DIR, lab.folder, lab.walk ?? "steps.yaml");
  return parse(readFileSync(path, "utf8")) as Step[];
}

/** Judges each step of a lab on the cluster that the environment names, in their order. */
export async function judgeSteps(
  lab: Lab,
  request: StepsRequest,
  onOutcome: OnOutcome = () => undefined,
): Promise<Verdict> {
  const outcomes: CheckOutcome[] = [];
  const run = new StepRun(lab, request);
  for (const step of stepsOf(lab).filter(({ title }) => title.includes(request.only ?? ""))) {
    const outcome = await run.judge(step);
    outcomes.push(outcome);
    onOutcome(outcome);
  }
  return { outcomes, leftOut: [], stopped: false, trees: [], costs: {} };
}

class StepRun {
  readonly #env: NodeJS.ProcessEnv;
  readonly #request: StepsRequest;
  readonly #shell: Shell;

  constructor(lab: Lab, request: StepsRequest) {
    this.#env = { ...request.env, NS: namespaceOf(lab), MY: request.folder };
    this.#request = request;
    this.#shell = request.shell ?? shellHere;
  }

  async judge(step: Step): Promise<CheckOutcome> {
    const { title, why } = step;
    let said = "";
    const holds = async () => {
      const { answer, ask = "" } = step;
      const asked = answer === undefined ? await this.#shell(ask, this.#env) : this.#answer(answer);
      said = asked.trim();
      return fits(step, said);
    };
    const options = { clock: systemClock(), interval_ms: ASK_INTERVAL_MS };
    const timeout_ms = step.answer === undefined ? (this.#request.patience_ms ?? PATIENCE_MS) : 0;
    const passed = await waitFor(title, holds, { ...options, timeout_ms }).then(
      () => true,
      (thrown: unknown) => {
        if (isErrno(thrown, "ETIMEDOUT")) return false;
        throw thrown;
      },
    );
    if (passed) return { title, passed, message: "" };
    const when = step.ask ? this.#filled(step.ask) : `answers.yaml, ${step.answer}`;
    const happened = said === "" ? "nothing" : said;
    // An answer is not given away.
    const hidden = step.answer === undefined ? undefined : "another answer";
    const expected = hidden ?? step.is ?? `a match of ${step.matches}`;
    return { title, passed, message: describeJudgement({ when, expected, happened, why }) };
  }

  /** A command as a reader can run it: with the values of the variables that a step is given. */
  #filled(command: string): string {
    const given = /\$(NS|MY|R2K_CLUSTER)\b/g;
    return command.replace(given, (word, name: string) => this.#env[name] ?? word);
  }

  #answer(key: string): string {
    const path = join(this.#request.folder, "answers.yaml");
    if (!existsSync(path)) return "";
    const answers = (parse(readFileSync(path, "utf8")) ?? {}) as Record<string, unknown>;
    return String(answers[key] ?? "");
  }
}

/** Runs a command in a shell; returns what it prints, errors too. */
function shellHere(command: string, env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn("sh", ["-c", `exec 2>&1; ${command}`], {
      cwd: ROOT_DIR,
      env,
      stdio: ["ignore", "pipe", "ignore"],
      timeout: COMMAND_MS_MAX,
      killSignal: "SIGKILL",
    });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-SAID_CHARS_MAX);
    });
    child.on("error", reject);
    child.once("close", () => resolve(said));
  });
}

function fits({ is, matches, title }: Step, said: string): boolean {
  if (is !== undefined) return said === is;
  if (matches !== undefined) return new RegExp(matches, "s").test(said);
  throw new LabError("BAD_LAB", `step "${title}" has neither is nor matches`);
}
