import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { Balancer } from "@raft2kube/proxy/apply/userspace/balancer.ts";
import { AFFINITY_CLIENTS, CONNECT_TIMEOUTS_MS } from "@raft2kube/proxy/limits.ts";
import type { Target } from "@raft2kube/proxy/plan/model.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { clock, LOOPBACK, SILENT, withProxyPort } from "../proxy/own-proxy.ts";
import { describeTargets, endpoints } from "../proxy/ports.ts";
import { untilQuiet } from "../quiet.ts";

/** Patience of `untilQuiet`: longer than all attempts to connect take together. */
const PATIENCE = 2;
const AFFINITY_S = 60;

check("userspace: connections begin at the endpoints in turn, and may try each", () => {
  const balancer = new Balancer(clock);
  const three = endpoints(3);
  balancer.update(three, undefined);
  for (let at = 0; at < 4; at++) {
    const first = at % 3;
    const expected = describeTargets([...three.slice(first), ...three.slice(0, first)]);
    const found = describeTargets(balancer.order("10.0.0.1"));
    judge(found === expected, {
      when: `connection ${at + 1} to a Service with three endpoints`,
      expected,
      happened: found,
      why: "each gets the same share, and one that fails costs an attempt, not the connection",
    });
  }
  balancer.update([], undefined);
  const found = describeTargets(balancer.order("10.0.0.1"));
  judge(found === "none", {
    when: "a connection to a Service without endpoints",
    expected: "none",
    happened: found,
    why: "endpoints come and go while connections arrive",
  });
});

check("userspace: with affinity a client stays at its endpoint, until the timeout", () => {
  const time = { now_ms: 0, monotonic: () => time.now_ms };
  const balancer = new Balancer(time);
  const three = endpoints(3);
  balancer.update(three, 60);
  balancer.remember("10.0.0.1", three[1]!);
  const firsts = (client: string, count: number) =>
    Array.from({ length: count }, () => describeTargets(balancer.order(client).slice(0, 1)));
  const stay = firsts("10.0.0.1", 4);
  judge(new Set(stay).size === 1 && stay[0] === describeTargets([three[1]!]), {
    when: "10.0.0.1, served by endpoint 2, connects four times again",
    expected: `${describeTargets([three[1]!])} each time`,
    happened: stay.join(", "),
    why: "sessionAffinity ClientIP: the endpoint may keep what the client did before",
  });
  const tried = [1, 2, 3].map(() => balancer.order("10.0.0.1").length);
  judge(
    tried.every((count) => count === 3),
    {
      when: "three more connections, which its endpoint may refuse",
      expected: "each may try all three endpoints, its own first",
      happened: `they may try ${tried.join(", ")}`,
      why: "affinity is a preference: a client of an endpoint that is gone gets another",
    },
  );
  time.now_ms = 60_000;
  const later = new Set(firsts("10.0.0.1", 3));
  judge(later.size === 3, {
    when: "it connects again after 60 s",
    expected: "the endpoints in turn",
    happened: [...later].join(", "),
    why: "timeoutSeconds: the time without a new connection after which affinity ends",
  });
  balancer.remember("10.0.0.1", three[1]!);
  time.now_ms += 59_000;
  const again = new Set(firsts("10.0.0.1", 3));
  judge(again.size === 1, {
    when: "endpoint 2 serves it once more, and it connects again 59 s later",
    expected: `${describeTargets([three[1]!])} each time`,
    happened: [...again].join(", "),
    why: "each connection begins the time again: a client that is active stays",
  });
});

check("userspace: as many clients are remembered as the bound says, those served last", () => {
  const balancer = new Balancer({ monotonic: () => 0 });
  const three = endpoints(3);
  balancer.update(three, 60);
  const last = AFFINITY_CLIENTS - 1;
  for (let at = 0; at <= last; at++) balancer.remember(`client ${at}`, three[1]!);
  const memory = (...clients: readonly number[]) =>
    clients
      .map((at) => {
        const firsts = [1, 2, 3].map(() =>
          describeTargets(balancer.order(`client ${at}`).slice(0, 1)),
        );
        return `client ${at} is ${new Set(firsts).size === 1 ? "remembered" : "forgotten"}`;
      })
      .join(", ");
  const expectMemory = (when: string, found: string, expected: string) => {
    judge(found === expected, {
      when,
      expected,
      happened: found,
      why: "clients choose their addresses: without a bound they fill the node's memory",
    });
  };
  expectMemory(
    `${AFFINITY_CLIENTS} clients were served, as many as are remembered`,
    memory(0, last),
    `client 0 is remembered, client ${last} is remembered`,
  );
  balancer.remember("client 0", three[1]!);
  balancer.remember(`client ${last + 1}`, three[1]!);
  expectMemory(
    "then client 0 again, and one more",
    memory(0, 1, last + 1),
    `client 0 is remembered, client 1 is forgotten, client ${last + 1} is remembered`,
  );
});

/** An endpoint: answers each line with its name, and a client's end with `NAME: BYTES bytes`. */
class Endpoint {
  readonly target: Target;
  readonly #server: Server;
  connections = 0;

  private constructor(server: Server) {
    this.#server = server;
    this.target = { address: LOOPBACK, port: (server.address() as AddressInfo).port };
    server.on("connection", () => this.connections++);
  }

  static async open(name: string): Promise<Endpoint> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      let bytes = 0;
      socket.on("error", () => socket.destroy());
      socket.on("data", (data) => {
        bytes += data.length;
        if (data.length < 100) socket.write(`${name}\n`);
      });
      socket.on("end", () => socket.end(`${name}: ${bytes} bytes\n`));
    });
    server.listen(0, LOOPBACK);
    await once(server, "listening");
    return new Endpoint(server);
  }

  close(): void {
    this.#server.close();
  }
}

/** Runs a check with endpoints `one` and `two`, and the target of one that refuses. */
async function withEndpoints(
  body: (one: Endpoint, two: Endpoint, refusing: Target) => Promise<void>,
): Promise<void> {
  const [one, two, gone] = await Promise.all(["one", "two", "gone"].map(Endpoint.open));
  gone!.close();
  try {
    await body(one!, two!, gone!.target);
  } finally {
    one!.close();
    two!.close();
  }
}

/** Sends `bytes`, ends its side, and returns the answer: an error's code, `silence` or a text. */
function converse(port: number, bytes: number, patience = PATIENCE): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: LOOPBACK, allowHalfOpen: true });
    let text = "";
    const done = (how: string) => {
      socket.destroy();
      resolve(how);
    };
    void untilQuiet(
      () => socket.destroyed,
      () => text,
      patience,
    ).then((answered) => {
      if (!answered) done(text === "" ? "silence" : `${text} and silence`);
    });
    socket.on("error", (error: NodeJS.ErrnoException) => done(error.code ?? error.message));
    socket.on("data", (data) => (text += data.toString()));
    socket.on("end", () => done(text.trim() || "an end without an answer"));
    socket.end(Buffer.alloc(bytes));
  });
}

const MIB = 1 << 20;

check("userspace: bytes pass both ways, and each side may end first", () =>
  withEndpoints((one) =>
    withProxyPort([one.target], async (port) => {
      const found = await converse(port, MIB);
      judge(found === `one: ${MIB} bytes`, {
        when: "a client sends 1 MiB, ends its side, and waits for the answer",
        expected: `one: ${MIB} bytes`,
        happened: found,
        why: "TCP ends each direction by itself: protocols send a request, end, and read the reply",
      });
    }),
  ),
);

check("userspace: an endpoint that refuses is skipped, and the client does not notice", () =>
  withEndpoints((one, two, refusing) =>
    withProxyPort([refusing, one.target, two.target], async (port) => {
      for (let at = 0; at < 6; at++) {
        const found = await converse(port, 200);
        judge(/^(one|two): 200 bytes$/.test(found), {
          when: `connection ${at + 1}; one of three endpoints refuses connections`,
          expected: "an answer of another endpoint",
          happened: found,
          why: "a pod that has crashed is an endpoint until its probe fails: this mode can retry",
        });
      }
      judge(one.connections > 0 && two.connections > 0, {
        when: "after six connections",
        expected: "both other endpoints have served some",
        happened: `one served ${one.connections}, two ${two.connections}`,
        why: "a Service spreads its connections",
      });
    }),
  ),
);

check("userspace: an endpoint that does not answer is left after its time", () =>
  withEndpoints((one) =>
    withProxyPort([SILENT, one.target], async (port) => {
      const found = await converse(port, 200, 1);
      judge(found === "one: 200 bytes", {
        when: "the first endpoint's node is down: its packets vanish",
        expected: "one: 200 bytes, after 250 ms (CONNECT_TIMEOUTS_MS)",
        happened: found,
        why: "the kernel itself gives up after two minutes; no client waits for that",
      });
    }),
  ),
);

check("userspace: without an endpoint that accepts, the client is reset at once", () =>
  withEndpoints((_one, _two, refusing) =>
    withProxyPort([refusing], async (port) => {
      for (const when of ["the only endpoint refuses", "it still does"]) {
        const found = await converse(port, 200);
        judge(found === "ECONNRESET", {
          when,
          expected: "ECONNRESET",
          happened: found,
          why: "a client that is reset may try again or report it; one that waits does neither",
        });
      }
    }),
  ),
);

check("userspace: as many endpoints are tried as there are timeouts", () =>
  withEndpoints(async (one, _two, refusing) => {
    const refused = CONNECT_TIMEOUTS_MS.map(() => refusing);
    await withProxyPort([...refused, one.target], async (port) => {
      const found = await converse(port, 200);
      judge(found === "ECONNRESET", {
        when: `${refused.length} endpoints refuse a connection; one more would accept it`,
        expected: `ECONNRESET after ${refused.length} attempts (CONNECT_TIMEOUTS_MS)`,
        happened: found,
        why: "with a hundred endpoints on nodes that are down a client would wait for minutes",
      });
    });
  }),
);

check("userspace: the endpoint that served a client serves it again", () =>
  withEndpoints((one, two, refusing) =>
    withProxyPort(
      [refusing, one.target, two.target],
      async (port) => {
        const found = new Set<string>();
        for (let at = 0; at < 4; at++) found.add(await converse(port, 200));
        judge(found.size === 1, {
          when: "four connections of one client; the Service has ClientIP affinity",
          expected: "all four are served by the first that accepted one",
          happened: [...found].join(", "),
          why: "affinity is to the endpoint that served the client, not to one that refused it",
        });
      },
      AFFINITY_S,
    ),
  ),
);

check("userspace: a connection may be idle for longer than an attempt to connect", () =>
  withEndpoints((one) =>
    withProxyPort([one.target], async (port) => {
      const socket = connect({ port, host: LOOPBACK, allowHalfOpen: true });
      let text = "";
      socket.on("error", (error) => (text += error.message));
      socket.on("data", (data) => (text += data.toString()));
      await once(socket, "connect");
      await until(() => one.connections > 0);
      await delay(clock, 2 * CONNECT_TIMEOUTS_MS[0]);
      socket.end("a request");
      await until(() => socket.closed || text.includes("bytes"));
      socket.destroy();
      const found = text.trim().split("\n").join(", ") || "an end without an answer";
      judge(found === "one, one: 9 bytes", {
        when: `a client sends its request ${2 * CONNECT_TIMEOUTS_MS[0]} ms after it has connected`,
        expected: "one, one: 9 bytes",
        happened: found,
        why: "the timeout is for the attempt: databases keep idle connections for hours",
      });
    }),
  ),
);

check("userspace: a side that breaks off ends the other", async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    sockets.push(socket);
  });
  server.listen(0, LOOPBACK);
  await once(server, "listening");
  const { port: own } = server.address() as AddressInfo;
  try {
    await withProxyPort([{ address: LOOPBACK, port: own }], async (port) => {
      for (const first of ["the endpoint", "the client"] as const) {
        const client = connect({ port, host: LOOPBACK });
        client.on("error", () => client.destroy());
        client.resume();
        await until(() => sockets.length > 0);
        const endpoint = sockets.pop()!;
        endpoint.resume();
        const [breaking, other] = first === "the client" ? [client, endpoint] : [endpoint, client];
        let how = "it ends as if all bytes had come";
        other.once("error", (error: NodeJS.ErrnoException) => (how = error.code ?? error.message));
        breaking.resetAndDestroy();
        const ended = await until(() => other.closed, 1);
        other.destroy();
        judge(ended && how === "ECONNRESET", {
          when: `${first} resets a connection`,
          expected: "the other side's connection is reset: ECONNRESET",
          happened: ended ? how : "it stays open",
          why: "half a file must not look whole; and one that waits keeps its socket",
        });
      }
    });
  } finally {
    server.close();
  }
});

check("userspace: an attempt ends with the connection that it is made for", () =>
  withEndpoints((one) =>
    withProxyPort([SILENT, one.target], async (port, end) => {
      const client = connect({ port, host: LOOPBACK });
      client.on("error", () => client.destroy());
      await once(client, "connect");
      await until(() => attempts() > 0);
      end();
      const ended = await until(() => attempts() === 0 && client.destroyed);
      // The endpoint accepts connections in their order: a later one shows what came before.
      await converse(one.target.port, 200);
      judge(ended && one.connections === 1, {
        when: "the proxy ends its connections while it tries the first endpoint",
        expected: "the attempt ends, and no other endpoint is tried",
        happened: ended ? `the next endpoint got ${one.connections - 1} connections` : "it goes on",
        why: "endpoints would serve requests that have no client, and sockets would pile up",
      });
    }),
  ),
);

/** Waits for a condition; false if it does not come. */
function until(condition: () => boolean, patience = PATIENCE): Promise<boolean> {
  return untilQuiet(condition, () => undefined, patience);
}

/** How many connections to the silent endpoint wait for an answer: state SYN_SENT. */
function attempts(): number {
  const address = Buffer.from(SILENT.address.split(".").map(Number)).readUInt32LE();
  const hex = address.toString(16).toUpperCase().padStart(8, "0");
  const rows = readFileSync("/proc/self/net/tcp", "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/));
  return rows.filter(([, , to, status]) => to?.startsWith(hex) && status === "02").length;
}
