import { ignoreLostRace } from "@raft2kube/client-kube/errors.ts";
import { CONFIG_MAPS, SECRETS } from "@raft2kube/client-kube/rest/resources.ts";
import type { ControllerContext, Running } from "../context.ts";
import { TOKEN_LOOK_MS } from "../limits.ts";
import { startLoop } from "../loop.ts";
import { BOOTSTRAP_TOKENS } from "../tokencleaner/plan.ts";
import { nextEnd_ms, signedData } from "./plan.ts";

const ACCOUNT = "bootstrap-signer";
const KEY = "kube-public/cluster-info";

/**
 * Signs the kubeconfig in `cluster-info` with each bootstrap token that is for signing, so that a
 * machine that has a token can verify that it joins the right cluster.
 */
export function startBootstrapSigner(context: ControllerContext): Running {
  const { clock } = context;
  const secrets = context.informers.of(SECRETS, BOOTSTRAP_TOKENS);
  const maps = context.informers.of(CONFIG_MAPS, {
    namespace: "kube-public",
    fieldSelector: "metadata.name=cluster-info",
  });
  const writer = context.client(ACCOUNT).resource(CONFIG_MAPS);

  const reconcile = async () => {
    const map = maps.store.get(KEY);
    if (!map) return;
    const now_ms = clock.now();
    const tokens = secrets.store.list();
    const data = signedData(map, tokens, now_ms);
    // After a lost race, the next change is what is signed.
    if (data) await ignoreLostRace(writer.update({ ...map, data }));
    const end_ms = nextEnd_ms(tokens, now_ms);
    if (end_ms === undefined) return;
    return { again_ms: Math.min(end_ms - now_ms, TOKEN_LOOK_MS) };
  };

  const reads = [secrets, maps];
  const loop = startLoop(context, {
    queue: "bootstrap_signer_queue",
    name: ACCOUNT,
    reads,
    workers: 1,
    reconcile,
  });
  const look = () => loop.queue.add(KEY);
  maps.handle({ added: look, updated: look });
  secrets.handle({ added: look, updated: look, deleted: look });
  return loop;
}
