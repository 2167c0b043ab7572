import type { ConfigMap } from "@raft2kube/api/gen/core/v1.ts";
import { isAlreadyExists } from "@raft2kube/client-kube/errors.ts";
import { CONFIG_MAPS, NAMESPACES } from "@raft2kube/client-kube/rest/resources.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import type { ControllerContext, Running } from "../context.ts";
import { everyChange, startLoop } from "../loop.ts";

const ACCOUNT = "root-ca-cert-publisher";
const NAME = "kube-root-ca.crt";
const KEY = "ca.crt";
const DESCRIPTION =
  "The certificates that verify the kube-apiserver at its internal addresses, such as the " +
  "Service kubernetes.default.svc; meant for nothing else.";

/** Each namespace has the certificates that verify the apiserver, for its pods to mount. */
export function startRootCa(context: ControllerContext): Running {
  const namespaces = context.informers.of(NAMESPACES);
  const maps = context.informers.of(CONFIG_MAPS, { fieldSelector: `metadata.name=${NAME}` });
  const writer = context.client(ACCOUNT).resource(CONFIG_MAPS);
  const data = { [KEY]: context.settings.rootCa };

  const reconcile = async (name: string) => {
    const namespace = namespaces.store.get(name);
    if (!namespace || namespace.status?.phase === "Terminating") return;
    const map = maps.store.get(`${name}/${NAME}`);
    if (map) {
      const same = map.data?.[KEY] === data[KEY] && Object.keys(map.data).length === 1;
      if (!same) await writer.update({ ...map, data, binaryData: {} });
      return;
    }
    const annotations = { "kubernetes.io/description": DESCRIPTION };
    await tolerate(
      writer.create({ metadata: { namespace: name, name: NAME, annotations }, data }),
      isAlreadyExists,
    );
  };

  const reads = [namespaces, maps];
  const loop = startLoop(context, {
    queue: "root_ca_cert_publisher",
    name: ACCOUNT,
    reads,
    workers: 1,
    reconcile,
  });
  namespaces.handle(everyChange(loop.queue));
  const look = (map: ConfigMap) => loop.queue.add(map.metadata.namespace ?? "");
  maps.handle({ updated: look, deleted: look });
  return loop;
}
