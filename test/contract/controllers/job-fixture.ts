import type { Job, JobStatus } from "@raft2kube/api/gen/batch/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import { EVENTS, JOBS, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { waitFor } from "../../../testing/wait.ts";
import type { PlaneAccess } from "./control-plane.ts";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";

export const TIMEOUT_MS = 120_000;
const namespace = "default";
const INDEX = "batch.kubernetes.io/job-completion-index";
const EXIT = "test/exit";

/** The exit codes of a job's pods: of all that are not named by their index. */
export type Exits = Readonly<Record<string, number>>;

/** Jobs on a node whose pods end as their annotation says. */
export class JobFixture {
  readonly plane: PlaneAccess;
  #kubelet: HollowKubelet | undefined;
  /** Other nodes' pods do not end. */
  #nodeSelector: Record<string, string> | undefined;

  constructor(plane: PlaneAccess) {
    this.plane = plane;
  }

  async start(node: string): Promise<void> {
    this.#nodeSelector = { "kubernetes.io/hostname": node };
    this.#kubelet = await startHollowKubelet(this.plane, node, { exitCode });
  }

  async close(): Promise<void> {
    await this.#kubelet?.close();
  }

  get jobs() {
    return this.plane.admin.resource(JOBS);
  }

  get podClient() {
    return this.plane.admin.resource(PODS);
  }

  create(name: string, exits: Exits | undefined, spec: Partial<Job["spec"]> = {}): Promise<Job> {
    const annotations = exits && { [EXIT]: JSON.stringify(exits) };
    const containers = [{ name: "c", image: "c:1" }];
    return this.jobs.create({
      metadata: { namespace, name },
      spec: {
        template: {
          metadata: { annotations },
          spec: { restartPolicy: "Never", containers, nodeSelector: this.#nodeSelector },
        },
        ...spec,
      },
    });
  }

  get(name: string): Promise<Job> {
    return this.jobs.get({ namespace, name });
  }

  patch(name: string, spec: Partial<Job["spec"]>): Promise<Job> {
    return this.jobs.patch({ namespace, name }, "merge", { spec });
  }

  async pods(name: string): Promise<Pod[]> {
    const { items } = await this.podClient.list({ namespace });
    return items.filter((pod) => controllerOf(pod)?.name === name);
  }

  until(what: string, holds: () => Promise<boolean>): Promise<unknown> {
    const options = { clock: this.plane.clock, timeout_ms: TIMEOUT_MS / 2, interval_ms: 100 };
    return waitFor(what, holds, options);
  }

  /** Waits for pods of a job that run, and gives them. */
  async running(name: string, count: number): Promise<Pod[]> {
    const now = async () =>
      (await this.pods(name)).filter(
        ({ metadata, status }) => status?.phase === "Running" && !metadata.deletionTimestamp,
      );
    await this.until(`${count} pods of ${name} to run`, async () => (await now()).length === count);
    return now();
  }

  /** Waits until a status holds, and gives the job. */
  async status(name: string, holds: (status: JobStatus) => boolean): Promise<Job> {
    await this.until(`the status of ${name}`, async () =>
      holds((await this.get(name)).status ?? {}),
    );
    return this.get(name);
  }

  /** Waits for the end of a job, and gives what its conditions say and what was counted. */
  async ended(name: string) {
    const { status = {} } = await this.status(name, ({ conditions = [] }) =>
      conditions.some(({ type }) => type === "Complete" || type === "Failed"),
    );
    const { succeeded, failed, completedIndexes, failedIndexes, active } = status;
    const conditions = status.conditions
      ?.filter((each) => each.status === "True")
      .map(({ type, reason, message }) => ({ type, reason, message }));
    const counts = { succeeded, failed, active, completedIndexes, failedIndexes };
    return { conditions, counts: JSON.parse(JSON.stringify(counts)) as object, status };
  }

  /** Waits until no pod of a job is held by the controller's finalizer. */
  async released(name: string): Promise<void> {
    await this.until(`the pods of ${name} to be released`, async () =>
      (await this.pods(name)).every(({ metadata }) => metadata.finalizers === undefined),
    );
  }

  async event(name: string, reason: string, message?: string): Promise<void> {
    const fieldSelector = `involvedObject.name=${name},reason=${reason}`;
    await this.until(`${reason} of ${name}`, async () => {
      const { items } = await this.plane.admin.resource(EVENTS).list({ namespace, fieldSelector });
      return items.some((event) => message === undefined || event.message === message);
    });
  }
}

/** The two conditions of an end, which say the same. */
export function ending(type: "Complete" | "Failed", reason: string, message: string) {
  const first = type === "Complete" ? "SuccessCriteriaMet" : "FailureTarget";
  return [
    { type: first, reason, message },
    { type, reason, message },
  ];
}

function exitCode({ metadata }: Pod): number | undefined {
  const exits = JSON.parse(metadata.annotations?.[EXIT] ?? "{}") as Exits;
  return exits[metadata.annotations?.[INDEX] ?? ""] ?? exits.all;
}
