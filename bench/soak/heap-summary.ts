import { readFileSync } from "node:fs";

/** A heap snapshot as V8 writes it: nodes and edges are rows of numbers in one array each. */
interface Snapshot {
  readonly snapshot: {
    readonly meta: {
      readonly node_fields: readonly string[];
      readonly node_types: readonly [readonly string[], ...unknown[]];
      readonly edge_fields: readonly string[];
      readonly edge_types: readonly [readonly string[], ...unknown[]];
    };
    readonly node_count: number;
  };
  readonly nodes: readonly number[];
  readonly edges: readonly number[];
  readonly strings: readonly string[];
}

export type ClassShare = { readonly name: string; readonly bytes: number };

/** Generic classes: their memory counts for the objects that refer to them. */
const CONTAINERS: ReadonlySet<string> = new Set([
  ...["Object", "Array", "Map", "Set", "WeakMap", "Function", "Promise", "Generator", "Date"],
  ...["Buffer", "ArrayBuffer", "Uint8Array", "DataView", "FastBuffer", "Float64Array"],
  ...["system / JSArrayBufferData", "system / Context", "AsyncFunction", "Boolean", "String"],
]);

/**
 * The memory of a heap by the nearest class that keeps it alive, on the shortest way from the
 * roots; the largest first.
 */
export function summarizeHeap(path: string): ClassShare[] {
  const snapshot = JSON.parse(readFileSync(path, "utf8")) as Snapshot;
  const graph = graphOf(snapshot);
  const owners = ownersOf(graph);
  const sums = new Map<string, number>();
  for (let node = 0; node < graph.count; node++) {
    const name = owners[node] ?? "(unreachable)";
    sums.set(name, (sums.get(name) ?? 0) + graph.size(node));
  }
  return [...sums].map(([name, bytes]) => ({ name, bytes })).sort((a, b) => b.bytes - a.bytes);
}

interface Graph {
  readonly count: number;
  size(node: number): number;
  name(node: number): string;
  /** Returns the class of an object; undefined if it counts for its owner. */
  className(node: number): string | undefined;
  /** The nodes that a node keeps alive; weak references are left out. */
  references(node: number): Iterable<number>;
}

function graphOf({ snapshot, nodes, edges, strings }: Snapshot): Graph {
  const { node_fields, node_types, edge_fields, edge_types } = snapshot.meta;
  const [width, edgeWidth] = [node_fields.length, edge_fields.length];
  const at = (field: string) => node_fields.indexOf(field);
  const [type, name, size, edgeCount] = [at("type"), at("name"), at("self_size"), at("edge_count")];
  const count = snapshot.node_count;
  const firstEdge = new Uint32Array(count + 1);
  for (let node = 0; node < count; node++) {
    firstEdge[node + 1] = firstEdge[node]! + nodes[node * width + edgeCount]!;
  }
  const weak = edge_types[0].indexOf("weak");
  const [edgeType, target] = [edge_fields.indexOf("type"), edge_fields.indexOf("to_node")];
  const namedTypes = ["object", "native", "synthetic"];
  const named = new Set(namedTypes.map((each) => node_types[0].indexOf(each)));
  const nameOf = (node: number) => strings[nodes[node * width + name]!]!;
  return {
    count,
    size: (node) => nodes[node * width + size]!,
    name: nameOf,
    className: (node) => {
      const found = nameOf(node);
      const owns = named.has(nodes[node * width + type]!) && !CONTAINERS.has(found);
      return owns && found !== "" ? found : undefined;
    },
    *references(node) {
      for (let edge = firstEdge[node]!; edge < firstEdge[node + 1]!; edge++) {
        if (edges[edge * edgeWidth + edgeType] === weak) continue;
        yield edges[edge * edgeWidth + target]! / width;
      }
    },
  };
}

const MODULE = "system / SourceTextModule";

/**
 * Breadth first from the root and all modules: each node's class, or its owner's. Objects of a
 * module are reached through any of its functions too, and would count for their owners.
 */
function ownersOf(graph: Graph): (string | undefined)[] {
  const owners = new Array<string | undefined>(graph.count);
  const queue = new Uint32Array(graph.count);
  owners[0] = "(roots)";
  let end = 1;
  for (let node = 1; node < graph.count; node++) {
    if (graph.name(node) !== MODULE) continue;
    owners[node] = "(modules)";
    queue[end++] = node;
  }
  for (let head = 0; head < end; head++) {
    const node = queue[head]!;
    for (const next of graph.references(node)) {
      if (owners[next] !== undefined) continue;
      owners[next] = graph.className(next) ?? owners[node];
      queue[end++] = next;
    }
  }
  return owners;
}
