import type { EtcdClient, WatchStream } from "@raft2kube/client-etcd/client.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { clock } from "./world.ts";

/** The same client, which runs `act` between the response to a range and its return. */
export function betweenReads(
  etcd: EtcdClient,
  act: (answer: { more: boolean }) => Promise<unknown>,
): EtcdClient {
  const range: EtcdClient["range"] = async (request, options) => {
    const answer = await etcd.range(request, options);
    await act(answer);
    return answer;
  };
  return changed(etcd, { range });
}

/** The same client, whose watch responses arrive late, as over a network. */
export function lateWatches(etcd: EtcdClient, delay_ms: number): EtcdClient {
  return changed(etcd, {
    watch: (options) => {
      const stream = etcd.watch(options);
      const late = async function* () {
        for await (const response of stream) {
          await delay(clock, delay_ms);
          yield response;
        }
      };
      return changed<WatchStream>(stream, { [Symbol.asyncIterator]: late });
    },
  });
}

/** An object with some of its methods replaced. */
function changed<T extends object>(whole: T, methods: Partial<T>): T {
  return new Proxy(whole, {
    get(target, name) {
      if (Object.hasOwn(methods, name)) return Reflect.get(methods, name) as unknown;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}
