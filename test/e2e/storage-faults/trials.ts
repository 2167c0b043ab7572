import { messageOf } from "@raft2kube/std/errors.ts";
import { ANSWERS, type WrongAnswer } from "./driver-host.ts";
import { leftAfterHealing } from "./leftovers.ts";
import { COMPONENTS, FORMS, type Form, nameOfPoint, type Point, Schedule } from "./points.ts";
import { StorageStack } from "./storage-stack.ts";
import { VolumeTrial } from "./volume-trial.ts";

/** One volume with one fault: a component killed at a point, or one call answered wrongly. */
export type Case = { readonly form: Form; readonly point?: Point; readonly wrong?: WrongAnswer };

export interface Outcome {
  readonly name: string;
  /** How often something was killed, or answered wrongly. */
  readonly faults: number;
  /** Mounts, devices, directories and objects that nothing removes any more. */
  readonly left: readonly string[];
  /** Why the volume did not come to its end, or lost its data. */
  readonly error?: string;
}

export function isGood({ left, error }: Outcome): boolean {
  return left.length === 0 && error === undefined;
}

/** Calls of the driver that a volume needs. */
const METHODS = [
  "CreateVolume",
  "ControllerPublishVolume",
  "NodeStageVolume",
  "NodePublishVolume",
  "ControllerExpandVolume",
  "NodeExpandVolume",
  "CreateSnapshot",
  "NodeUnpublishVolume",
  "NodeUnstageVolume",
  "ControllerUnpublishVolume",
  "DeleteSnapshot",
  "DeleteVolume",
] as const;

export function nameOfCase({ form, point, wrong }: Case): string {
  const what = point ? nameOfPoint(point) : `${wrong!.method}: answered ${wrong!.answer}`;
  return form === "directory" ? what : `${what} [${form}]`;
}

/** Plays cases in one stack, and in another after one that failed. */
export class Trials {
  #stack: StorageStack | undefined;
  #count = 0;

  /** Every point that a volume passes, of the forms; and each call answered in each wrong way. */
  async cases(): Promise<Case[]> {
    const known = new Set<string>();
    const cases: Case[] = [];
    for (const form of FORMS) {
      const { passed } = await this.#play({ form });
      for (const point of passed) {
        const name = nameOfPoint(point);
        if (point.component === "client" || known.has(name)) continue;
        // The control plane does the same for all forms.
        const isOnNode = ["driver", "kubelet"].includes(point.component);
        if (form !== "directory" && !isOnNode) continue;
        known.add(name);
        cases.push({ form, point });
      }
    }
    const wrong = METHODS.flatMap((method) => ANSWERS.map((answer) => ({ method, answer })));
    return [...cases, ...wrong.map((each) => ({ form: "directory", wrong: each }) as const)];
  }

  async run(one: Case): Promise<Outcome> {
    const name = nameOfCase(one);
    try {
      const schedule = await this.#play(one);
      const stack = this.#stack!;
      const left = await leftAfterHealing(stack);
      const answered = one.wrong && stack.host.wrongAnswer === undefined ? 1 : 0;
      const [failure] = stack.failures;
      const error = failure === undefined ? {} : { error: messageOf(failure) };
      if (left.length > 0 || failure !== undefined) await this.close();
      return { name, faults: schedule.kills + answered, left, ...error };
    } catch (thrown) {
      const stack = this.#stack;
      const unseen = (why: unknown) => [String(why)];
      const left = stack ? await leftAfterHealing(stack).catch(unseen) : [];
      await this.close();
      return { name, faults: 1, left, error: messageOf(thrown) };
    }
  }

  async close(): Promise<void> {
    const stack = this.#stack;
    this.#stack = undefined;
    await stack?.close();
  }

  async #play({ form, point, wrong }: Case): Promise<Schedule> {
    this.#stack ??= await StorageStack.start();
    const stack = this.#stack;
    await stack.restartDriver(form === "image" ? "image" : "directory");
    const schedule = new Schedule(point);
    stack.schedule = schedule;
    stack.host.wrongAnswer = wrong;
    await new VolumeTrial(stack, form, `v${++this.#count}`).run();
    return schedule;
  }
}

/** Cases that pass each component and each way to answer, few enough for every run of the tests. */
export function sampleOf(cases: readonly Case[], count: number): Case[] {
  const step = cases.length / count;
  const spread = Array.from({ length: count }, (_, i) => cases[Math.floor(i * step)]!);
  const missing = COMPONENTS.filter(
    (name) => !spread.some(({ point }) => point?.component === name),
  );
  return [
    ...spread,
    ...missing.flatMap((name) => cases.find(({ point }) => point?.component === name) ?? []),
  ];
}
