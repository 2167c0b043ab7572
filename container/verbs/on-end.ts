import { delay } from "@raft2kube/std/wait.ts";
import { withEngine } from "../engine/engine.ts";
import type { Engine } from "../engine/open-engine.ts";
import { release } from "../engine/settle.ts";
import { startHand } from "../engine/start.ts";
import { restartsAgain } from "../engine/state.ts";
import { RESTART_DELAY_LONGEST_MS, RESTART_DELAY_MS, RESTART_STABLE_MS } from "../limits.ts";
import { verb } from "../verb.ts";

/** The command that conmon calls at a container's end: releases it, or starts it again. */
export const onEnd = verb("on-end <id>", "", {}, async (host, [id]) => {
  const pause_ms = await withEngine(host, (engine) => settleEnd(engine, id));
  if (pause_ms === undefined) return;
  await delay(host.clock, pause_ms);
  await withEngine(host, async (engine) => {
    const found = engine.containers.find(id);
    if (found && !found.hand.isStopped && found.record.phase.state === "exited") {
      await startHand(engine, found, { isAgain: true });
    }
  });
});

/** Returns the pause before the container is started again; undefined if it is not. */
async function settleEnd(engine: Engine, id: string): Promise<number | undefined> {
  const found = engine.containers.find(id);
  if (found?.record.phase.state !== "exited") return undefined;
  await release(engine, found);
  if (!restartsAgain(found)) return undefined;
  const { startedAt_ms, exit } = found.record.phase;
  const isStable = exit.finishedAt_ms - startedAt_ms >= RESTART_STABLE_MS;
  const { restarts: before, shortRuns: short = 0 } = found.hand;
  const shortRuns = isStable ? 0 : short + 1;
  const pause_ms = RESTART_DELAY_MS * 2 ** Math.max(shortRuns - 1, 0);
  const bounded_ms = Math.min(pause_ms, RESTART_DELAY_LONGEST_MS);
  const restartsAt_ms = engine.host.clock.now() + bounded_ms;
  await engine.containers.change(found, { restarts: before + 1, shortRuns, restartsAt_ms });
  return bounded_ms;
}
