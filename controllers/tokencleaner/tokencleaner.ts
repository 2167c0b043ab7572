import { ignoreLostRace } from "@raft2kube/client-kube/errors.ts";
import { nameOf } from "@raft2kube/client-kube/object/object.ts";
import { SECRETS } from "@raft2kube/client-kube/rest/resources.ts";
import type { ControllerContext, Running } from "../context.ts";
import { TOKEN_LOOK_MS } from "../limits.ts";
import { everyChange, startLoop } from "../loop.ts";
import { BOOTSTRAP_TOKENS, expiresAt_ms } from "./plan.ts";

const ACCOUNT = "token-cleaner";

/** Deletes bootstrap tokens that have expired. */
export function startTokenCleaner(context: ControllerContext): Running {
  const { clock } = context;
  const secrets = context.informers.of(SECRETS, BOOTSTRAP_TOKENS);
  const writer = context.client(ACCOUNT).resource(SECRETS);

  const reconcile = async (key: string) => {
    const secret = secrets.store.get(key);
    const end_ms = secret && expiresAt_ms(secret);
    if (!secret || end_ms === undefined) return;
    const left_ms = end_ms - clock.now();
    if (left_ms > 0) return { again_ms: Math.min(left_ms, TOKEN_LOOK_MS) };
    await ignoreLostRace(
      writer.delete(nameOf(secret), { preconditions: { uid: secret.metadata.uid } }),
    );
  };

  const loop = startLoop(context, {
    queue: "token_cleaner",
    name: ACCOUNT,
    reads: [secrets],
    reconcile,
  });
  secrets.handle(everyChange(loop.queue));
  return loop;
}
