import type { EtcdClient, WatchStream } from "@raft2kube/client-etcd/client.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { judge } from "../judge.ts";
import { clock } from "./config-map-servers.ts";

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

/** The same client, which reports how many keys each range of several asks for. */
export function limitsAsked(etcd: EtcdClient, asked: (limit: number) => void): EtcdClient {
  const range: EtcdClient["range"] = (request, options) => {
    const isPage = (request.rangeEnd?.length ?? 0) > 0 && request.keysOnly !== true;
    if (isPage) asked(request.limit ?? 0);
    return etcd.range(request, options);
  };
  return changed(etcd, { range });
}

/** The same client, which fails at the range after so many: a list that reads on does not end. */
export function boundedReads(etcd: EtcdClient, max: number): EtcdClient {
  let reads = 0;
  const range: EtcdClient["range"] = (request, options) => {
    judge(++reads <= max, {
      when: "a few maps are listed by pages, from the store",
      expected: `no more than ${max} reads of the store`,
      happened: "it reads on",
      why: "a page that does not get further is read for ever, and its request is not answered",
    });
    return etcd.range(request, options);
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

/**
 * The same client, whose watches get the events of a response one by one, each under the
 * response's header: as from etcd, the header's revision may be later than the events'.
 */
export function splitWatches(etcd: EtcdClient): EtcdClient {
  return changed(etcd, {
    watch: (options) => {
      const stream = etcd.watch(options);
      const split = async function* () {
        for await (const response of stream) {
          if (response.events.length === 0) yield response;
          for (const event of response.events) yield { ...response, events: [event] };
        }
      };
      return changed<WatchStream>(stream, { [Symbol.asyncIterator]: split });
    },
  });
}

/** The same client, whose first watch is canceled by the server for a reason of its own. */
export function canceledOnce(etcd: EtcdClient): EtcdClient {
  let isFirst = true;
  return changed(etcd, {
    watch: (options) => {
      const stream = etcd.watch(options);
      if (!isFirst) return stream;
      isFirst = false;
      const canceled = async function* () {
        for await (const response of stream) {
          yield response;
          const cancelReason = "permission denied";
          if (response.created) yield { ...response, created: false, canceled: true, cancelReason };
          // After that the server sends nothing.
          await new Promise((resolve) => options?.signal?.addEventListener("abort", resolve));
          return;
        }
      };
      return changed<WatchStream>(stream, { [Symbol.asyncIterator]: canceled });
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
