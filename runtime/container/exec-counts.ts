import { RuntimeError } from "../errors.ts";
import { EXECS_PER_CONTAINER } from "../limits.ts";

/**
 * Bounds the running commands of each container: each has a process of the OCI runtime on the node,
 * outside of the pod's limits.
 */
export class ExecCounts {
  readonly #running = new Map<string, number>();

  /**
   * Counts one more command. The returned function ends it. Throws resource-exhausted at the limit.
   */
  enter(containerId: string): () => void {
    const running = this.#running.get(containerId) ?? 0;
    if (running >= EXECS_PER_CONTAINER) {
      const message = `container ${containerId} runs ${running} commands already`;
      throw new RuntimeError("resource-exhausted", message, { remedy: "end some of them first" });
    }
    this.#running.set(containerId, running + 1);
    let entered = true;
    return () => {
      if (!entered) return;
      entered = false;
      const left = (this.#running.get(containerId) ?? 1) - 1;
      if (left > 0) this.#running.set(containerId, left);
      else this.#running.delete(containerId);
    };
  }
}
