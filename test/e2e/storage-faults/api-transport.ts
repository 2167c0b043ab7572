import type {
  HttpRequest,
  HttpResponse,
  Transport,
} from "@raft2kube/client-kube/transport/transport.ts";
import type { ComponentRun } from "./run-of-component.ts";

/** Kills a part of the control plane at a write, before it is sent or while it is on its way. */
export interface ServerFaults {
  before(write: string): void;
  during(write: string): void;
}

/** A component's requests to the apiserver: each write has a point before it and one after it. */
export class ComponentTransport implements Transport {
  readonly #transport: Transport;
  readonly #run: ComponentRun;
  readonly #servers: ServerFaults;

  constructor(transport: Transport, run: ComponentRun, servers: ServerFaults) {
    this.#transport = transport;
    this.#run = run;
    this.#servers = servers;
    void run.died.then(() => transport.close());
  }

  send(request: HttpRequest): Promise<HttpResponse> {
    return this.#pass(request, () => this.#transport.send(request));
  }

  fetch(request: HttpRequest): Promise<HttpResponse<Buffer>> {
    return this.#pass(request, () => this.#transport.fetch(request));
  }

  close(): void {
    this.#transport.close();
  }

  async #pass<T>(request: HttpRequest, go: () => Promise<T>): Promise<T> {
    const write = writeOf(request);
    if (write !== undefined) {
      await this.#run.pass(`${write}: before it is sent`);
      this.#servers.before(write);
    }
    await this.#alive();
    const sent = go();
    if (write !== undefined) this.#servers.during(write);
    try {
      const answer = await sent;
      if (write !== undefined) await this.#run.pass(`${write}: before its answer is read`);
      await this.#alive();
      return answer;
    } catch (thrown) {
      await this.#alive();
      throw thrown;
    }
  }

  async #alive(): Promise<void> {
    if (this.#run.isDead) await new Promise<never>(() => {});
  }
}

/** Describes a write by its verb and resource; undefined for reads, events and leases. */
function writeOf({ method, path }: HttpRequest): string | undefined {
  if (method === "GET" || /\/(events|leases|serviceaccounts)(\/|$|\?)/.test(path)) return undefined;
  const [plain = ""] = path.split("?");
  const parts = plain.split("/").filter((part) => part !== "");
  const from = parts[0] === "api" ? 2 : 3;
  const isNamespaced = parts[from] === "namespaces" && parts.length > from + 2;
  const below = parts.slice(isNamespaced ? from + 2 : from);
  const [resource = "", , subresource] = below;
  return `${method} ${resource}${subresource === undefined ? "" : `/${subresource}`}`;
}
