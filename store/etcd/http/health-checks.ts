import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import { AlarmType } from "@raft2kube/proto/gen/etcd.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { type EtcdContext, readBarrier } from "../request/context.ts";
import { type Page, text } from "./page.ts";

/** One check of /livez or /readyz; resolves to the problem, or rejects with it. */
type Check = (context: EtcdContext) => Promise<string | undefined>;

const serializableRead: Check = async ({ replica }) =>
  replica.stopped ? etcdError("stopped").message : undefined;

export const LIVE: Readonly<Record<string, Check>> = { serializable_read: serializableRead };
export const READY: Readonly<Record<string, Check>> = {
  data_corruption: async ({ state }) =>
    state.alarms.has(AlarmType.CORRUPT) ? "alarm activated: CORRUPT" : undefined,
  serializable_read: serializableRead,
  linearizable_read: (context) => readBarrier(context).then(() => undefined),
  non_learner: async ({ state: { membership, identity } }) =>
    membership.learners.includes(identity.memberId) ? "not supported for learner" : undefined,
};

/**
 * A page for all checks, which `exclude=` leaves some out of and `verbose` lists one by one, and a
 * page for each.
 */
export function checkPages(
  type: string,
  checks: Readonly<Record<string, Check>>,
  context: EtcdContext,
): Record<string, Page> {
  const page =
    (names: readonly string[], mayExclude: boolean): Page =>
    async (query) => {
      const excluded = mayExclude ? query.getAll("exclude") : [];
      const wanted = names.filter((name) => !excluded.includes(name));
      const lines: string[] = [];
      let good = true;
      for (const name of wanted) {
        const problem = await checks[name]!(context).catch(messageOf);
        context.metrics.health.checked(type, name, problem === undefined);
        good &&= problem === undefined;
        lines.push(problem === undefined ? `[+]${name} ok\n` : `[-]${name} failed: ${problem}\n`);
      }
      // As Go's http.Error sends it, with one more line's end.
      if (!good) return text(`${lines.join("")}\n`, 503);
      return text(`${query.has("verbose") ? lines.join("") : ""}ok\n`);
    };
  const names = Object.keys(checks);
  const each = names.map((name): [string, Page] => [`/${type}/${name}`, page([name], false)]);
  return { [`/${type}`]: page(names, true), ...Object.fromEntries(each) };
}
