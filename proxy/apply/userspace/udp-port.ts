import { createSocket, type Socket } from "node:dgram";
import { bindUdp } from "@raft2kube/linux/socket/socket.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { Groups } from "@raft2kube/std/groups.ts";
import { UDP_IDLE_MS, UDP_WAITING_MAX } from "../../limits.ts";
import { keyOf, type Target } from "../../plan/model.ts";
import { Balancer } from "./balancer.ts";
import { type PortContext, type ProxyPort, sourceOf } from "./proxy-port.ts";

/** The packets of one client: a socket connected to its endpoint. */
interface Flow {
  socket: Socket;
  /** The client's address. */
  address: string;
  /** The endpoint, as `keyOf` names it. */
  target: string;
  giveBack: () => void;
  /** Notes that a packet came. */
  use: () => void;
  used_ms: number;
  /** Packets that came before the socket was connected; undefined: it is. */
  waiting: Buffer[] | undefined;
}

/**
 * Opens a proxy port of UDP on `host`, by default one that is free. A client keeps its endpoint
 * until it is idle. Rejects with Node's error.
 */
export async function openUdpPort(
  host: string,
  context: PortContext,
  port = 0,
): Promise<ProxyPort> {
  const { log } = context;
  const fd = bindUdp(host, port);
  const server = createSocket("udp4").bind({ fd });
  const flows = new UdpFlows(server, context);
  server.on("error", (error) => log.warn("a proxy port failed", { error: messageOf(error) }));
  server.on("message", (message, from) => flows.pass(message, from.address, from.port));
  return {
    transport: "udp",
    port: server.address().port,
    update: (...change) => flows.update(...change),
    close() {
      flows.close();
      server.close();
    },
  };
}

/** Whether packets wait for the kernel, whose buffer is full: further ones are dropped. */
const isFull = (socket: Socket) => socket.getSendQueueCount() >= UDP_WAITING_MAX;

class UdpFlows {
  readonly #server: Socket;
  readonly #context: PortContext;
  readonly #clock: Clock;
  readonly #idle_ms: number;
  readonly #balancer: Balancer;
  /** Flows by the client's address and port. */
  readonly #flows = new Map<string, Flow>();
  /** Clients by their endpoint. */
  readonly #clients = new Groups();
  /** Runs while there are flows. */
  #sweep: Timer | undefined;

  constructor(server: Socket, context: PortContext) {
    this.#server = server;
    this.#context = context;
    this.#clock = context.clock;
    this.#idle_ms = context.idle_ms ?? UDP_IDLE_MS;
    this.#balancer = new Balancer(context.clock);
  }

  /** Ends the flows to endpoints that are gone. */
  update(...[targets, affinity_s, kept = []]: Parameters<ProxyPort["update"]>): void {
    this.#balancer.update(targets, affinity_s);
    const left = new Set([...targets, ...kept].map(keyOf));
    for (const target of this.#clients.names()) {
      if (!left.has(target)) for (const client of this.#clients.of(target)) this.#end(client);
    }
  }

  pass(message: Buffer, address: string, port: number): void {
    const client = `${address}:${port}`;
    const flow = this.#flows.get(client) ?? this.#open(client, address, port);
    if (!flow) return;
    flow.use();
    if (!flow.waiting) this.#send(flow, client, message);
    else if (flow.waiting.length < UDP_WAITING_MAX) flow.waiting.push(message);
  }

  #send(flow: Flow, client: string, message: Buffer): void {
    if (isFull(flow.socket)) return;
    flow.socket.send(message, (error) => {
      if (error) this.#refused(flow, client);
    });
  }

  /** Ends a flow whose endpoint refused a packet: the next one chooses again. */
  #refused(flow: Flow, client: string): void {
    if (this.#flows.get(client) !== flow) return;
    this.#context.budget.refusals.note(flow.address, flow.target);
    this.#end(client);
  }

  #open(client: string, address: string, port: number): Flow | undefined {
    const { budget } = this.#context;
    const { refusals } = budget;
    if (refusals.has(address)) return undefined;
    const targets = this.#balancer.order(address);
    const target = targets.find((each) => !refusals.has(address, keyOf(each)));
    if (!target) return undefined;
    const end = () => this.#end(client);
    const giveBack = budget.take(address, end);
    if (!giveBack) return undefined;
    const socket = createSocket("udp4");
    const use = () => {
      flow.used_ms = this.#clock.monotonic();
      budget.use(address, end);
    };
    const used_ms = this.#clock.monotonic();
    const known = { socket, address, target: keyOf(target) };
    const flow: Flow = { ...known, giveBack, use, used_ms, waiting: [] };
    const refused = () => this.#refused(flow, client);
    socket.on("error", refused);
    socket.on("message", (answer) => {
      use();
      if (!isFull(this.#server)) this.#server.send(answer, port, address);
    });
    socket.once("connect", () => {
      const { waiting = [] } = flow;
      flow.waiting = undefined;
      for (const message of waiting) this.#send(flow, client, message);
    });
    this.#connect(socket, target, address).catch(refused);
    this.#balancer.remember(address, target);
    this.#flows.set(client, flow);
    this.#clients.add(flow.target, client);
    this.#sweepLater();
    return flow;
  }

  async #connect(socket: Socket, target: Target, client: string): Promise<void> {
    const address = (await sourceOf(this.#context, client))(target);
    const connect = () => socket.connect(target.port, target.address);
    if (address === undefined) connect();
    else socket.bind({ address, exclusive: true }, connect);
  }

  #end(client: string): void {
    const flow = this.#flows.get(client);
    if (!flow) return;
    this.#flows.delete(client);
    this.#clients.delete(flow.target, client);
    flow.giveBack();
    flow.socket.close();
  }

  #sweepLater(): void {
    if (this.#sweep) return;
    this.#sweep = this.#clock.after(this.#idle_ms, () => {
      this.#sweep = undefined;
      const oldest_ms = this.#clock.monotonic() - this.#idle_ms;
      for (const [client, { used_ms }] of this.#flows) if (used_ms < oldest_ms) this.#end(client);
      if (this.#flows.size > 0) this.#sweepLater();
    });
  }

  close(): void {
    this.#sweep?.cancel();
    for (const client of [...this.#flows.keys()]) this.#end(client);
  }
}
