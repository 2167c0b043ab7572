import { AsyncLocalStorage } from "node:async_hooks";
import { closeSync } from "node:fs";
import type fs from "node:fs/promises";
import type { Component, Schedule } from "./points.ts";

const current = new AsyncLocalStorage<ComponentRun>();

/** Returns the component whose code runs. */
export const currentRun = (): ComponentRun | undefined => current.getStore();

/** Ends the synchronous work of a component that was killed. */
export class Killed extends Error {
  override readonly name = "Killed";
}

/**
 * A component from its start to its death. From then on none of its calls has an effect: those that
 * are awaited never return, others throw. Descriptors that the kernel would close with the process
 * are closed.
 */
export class ComponentRun {
  readonly component: Component;
  readonly died: Promise<void>;
  /** Refuses everything that takes space on the disk, as a full one does. */
  isDiskFull = false;
  readonly files = new Set<fs.FileHandle>();
  readonly descriptors = new Set<number>();
  readonly #schedule: () => Schedule;
  #isDead = false;
  #markDead: () => void = () => {};

  constructor(component: Component, schedule: () => Schedule) {
    this.component = component;
    this.#schedule = schedule;
    this.died = new Promise((resolve) => {
      this.#markDead = resolve;
    });
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  /** Runs code as the component's. */
  run<T>(act: () => T): T {
    return current.run(this, act);
  }

  /** Passes a point: never returns when the component dies there, or is dead. */
  async pass(step: string): Promise<void> {
    if (!this.#survives(step)) await new Promise<never>(() => {});
  }

  /** The same for synchronous code: throws Killed. */
  passNow(step: string): void {
    if (!this.#survives(step)) throw new Killed(`${this.component} was killed before ${step}`);
  }

  /** Whether the component lives on, for callers that leave something torn. */
  survives(step: string): boolean {
    return this.#survives(step);
  }

  kill(): void {
    if (this.#isDead) return;
    for (const fd of [...this.descriptors]) closeSync(fd);
    this.#isDead = true;
    for (const file of this.files) void file.close();
    this.#markDead();
  }

  #survives(step: string): boolean {
    if (!this.#isDead && this.#schedule().reach(this.component, step)) this.kill();
    return !this.#isDead;
  }
}
