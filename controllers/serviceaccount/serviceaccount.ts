import { isAlreadyExists } from "@raft2kube/client-kube/errors.ts";
import { NAMESPACES, SERVICE_ACCOUNTS } from "@raft2kube/client-kube/rest/resources.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import type { ControllerContext, Running } from "../context.ts";
import { everyChange, startLoop } from "../loop.ts";

const ACCOUNT = "service-account-controller";
const DEFAULT = "default";

/** Each namespace has a ServiceAccount `default`: pods that name none run as it. */
export function startServiceAccounts(context: ControllerContext): Running {
  const namespaces = context.informers.of(NAMESPACES);
  const accounts = context.informers.of(SERVICE_ACCOUNTS, {
    fieldSelector: `metadata.name=${DEFAULT}`,
  });
  const writer = context.client(ACCOUNT).resource(SERVICE_ACCOUNTS);

  const reconcile = async (name: string) => {
    const namespace = namespaces.store.get(name);
    if (!namespace || namespace.status?.phase === "Terminating") return;
    if (accounts.store.get(`${name}/${DEFAULT}`)) return;
    await tolerate(
      writer.create({ metadata: { namespace: name, name: DEFAULT } }),
      isAlreadyExists,
    );
  };

  const reads = [namespaces, accounts];
  const loop = startLoop(context, {
    queue: "serviceaccount",
    name: ACCOUNT,
    reads,
    workers: 1,
    reconcile,
  });
  namespaces.handle(everyChange(loop.queue));
  accounts.handle({ deleted: (account) => loop.queue.add(account.metadata.namespace ?? "") });
  return loop;
}
