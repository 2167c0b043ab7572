/** Phases of a volume's existence, in their order. */
export const PHASES = [
  "provision",
  "attach",
  "stage",
  "publish",
  "expand",
  "snapshot",
  "unpublish",
  "unstage",
  "detach",
  "delete",
] as const;

export type Phase = (typeof PHASES)[number];

/** Components that are killed. The last two are processes; the others are objects in this one. */
export const COMPONENTS = [
  "provisioner",
  "attacher",
  "driver",
  "kubelet",
  "controllers",
  "apiserver",
  "store",
] as const;

/** `client` makes claims and pods; it is not killed. */
export type Component = (typeof COMPONENTS)[number] | "client";

/** How a volume is used: bind mounts of a directory, an ext4 image, or a raw block device. */
export const FORMS = ["directory", "image", "block"] as const;

export type Form = (typeof FORMS)[number];

/** A moment at which a component can die: before or after one of its outgoing calls or writes. */
export interface Point {
  readonly phase: Phase;
  readonly component: Component;
  /** The call or write, and on which side of it. */
  readonly step: string;
  /** Number among the same steps of the component in the phase, counted from 1. */
  readonly nth: number;
}

export function nameOfPoint({ phase, component, step, nth }: Point): string {
  return `${phase}: ${component}: ${step}${nth > 1 ? ` (${nth})` : ""}`;
}

/** Notes which points a volume's existence passes, and says at which one to die. */
export class Schedule {
  phase: Phase | undefined;
  /** Points in the order in which they were passed. */
  readonly passed: Point[] = [];
  readonly #target: string | undefined;
  readonly #counts = new Map<string, number>();
  #kills = 0;

  constructor(target?: Point) {
    this.#target = target && nameOfPoint(target);
  }

  /** How often a component was killed: 0 when the point was not passed. */
  get kills(): number {
    return this.#kills;
  }

  /** Whether the component dies here. */
  reach(component: Component, step: string): boolean {
    const { phase } = this;
    if (phase === undefined) return false;
    const key = `${phase} ${component} ${step}`;
    const nth = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, nth);
    const point = { phase, component, step, nth };
    this.passed.push(point);
    if (this.#kills > 0 || nameOfPoint(point) !== this.#target) return false;
    this.#kills += 1;
    return true;
  }
}
