import { OrderedMap } from "@raft2kube/std/ordered-map.ts";
import {
  type Backend,
  type BackendPair,
  type BackendWrite,
  SCAN_CHUNK_PAIRS,
  type ScanRange,
} from "@raft2kube/store/backend/backend.ts";

/** A backend that forgets everything when it is closed. */
export function memoryBackend(): Backend {
  const pairs = new OrderedMap<Buffer>();
  let bytes = 0;
  const view = ({ from, to }: ScanRange): BackendPair[] => {
    const found: BackendPair[] = [];
    pairs.visit(from.toString("latin1"), to.toString("latin1"), (key, value) => {
      found.push([Buffer.from(key, "latin1"), value]);
      return undefined;
    });
    return found;
  };
  const write = ({ key, value }: BackendWrite) => {
    const name = key.toString("latin1");
    const old = pairs.get(name);
    if (old) bytes -= key.length + old.length;
    if (value === undefined) return void pairs.delete(name);
    pairs.set(name, Buffer.from(value));
    bytes += key.length + value.length;
  };
  return {
    getSync: (key) => pairs.get(key.toString("latin1")),
    scan: (range) => inChunks(view(range)),
    writeBatch(writes) {
      for (const each of writes) write(each);
      return Promise.resolve();
    },
    snapshot() {
      const all = view({ from: Buffer.alloc(0), to: Buffer.alloc(64, 0xff) });
      const within = ({ from, to }: ScanRange) =>
        all.filter(([key]) => key.compare(from) >= 0 && key.compare(to) < 0);
      return { scan: (range) => inChunks(within(range)), close: () => Promise.resolve() };
    },
    compactRange: () => Promise.resolve(),
    size: () => Promise.resolve({ total: bytes, inUse: bytes }),
    close: () => Promise.resolve(),
  };
}

async function* inChunks(pairs: BackendPair[]): AsyncGenerator<BackendPair[]> {
  for (let at = 0; at < pairs.length; at += SCAN_CHUNK_PAIRS) {
    yield pairs.slice(at, at + SCAN_CHUNK_PAIRS);
  }
}
