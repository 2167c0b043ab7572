import { readWatchOptions } from "@raft2kube/apiserver/registry/list-options.ts";
import { watchObjects } from "@raft2kube/apiserver/registry/watch.ts";
import type { Resource } from "@raft2kube/apiserver/resource/resource.ts";
import { seededRandom } from "@raft2kube/std/random.ts";
import { inWords, type Listener, listen } from "../../testing/apiserver/watch-words.ts";
import { untilQuiet } from "../quiet.ts";
import { clock, NAMESPACE } from "./config-map-servers.ts";

const RUNNING = { closing: new AbortController().signal, clock, random: seededRandom(1) };

/** Watches as a request with this query would: `resourceVersion=7`. */
export async function watch(server: Resource, query: string): Promise<Listener> {
  const options = readWatchOptions(server.kind, new URLSearchParams(query));
  const answer = await watchObjects(RUNNING, server, NAMESPACE, options, inWords);
  if (answer.type !== "watch") throw new TypeError(`a watch was answered by ${answer.type}`);
  const { watcher } = answer;
  const listener = listen(watcher);
  // The first events come in turns with others' work.
  await untilQuiet(
    () => !watcher.isBeginning,
    () => listener.lines.length,
  );
  return listener;
}
