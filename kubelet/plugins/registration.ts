import { logger } from "@raft2kube/observe/log.ts";
import { Registration } from "@raft2kube/proto/gen/pluginregistration.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import { client } from "@raft2kube/rpc/client.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { connectPlugin } from "./connect-plugin.ts";
import type { Plugin, PluginHandler } from "./handler.ts";
import {
  REGISTER_BACK_OFF_MS,
  REGISTER_BACK_OFF_MS_MAX,
  REGISTRATION_TIMEOUT_MS,
} from "./limits.ts";
import type { RegistrySocket } from "./plan.ts";

const log = logger("plugin-registration");

export type PluginHandlers = Readonly<Record<string, PluginHandler>>;

/**
 * One registration socket: reads the plugin's info, registers it, notifies it, and deregisters it
 * in the end.
 */
export class PluginRegistration {
  readonly socket: RegistrySocket;
  readonly #handlers: PluginHandlers;
  readonly #left = new AbortController();
  readonly #registering: Runner;
  #registered: Plugin | undefined;

  /** Starts after `predecessor`, the registration of the replaced socket, has ended. */
  constructor(
    socket: RegistrySocket,
    handlers: PluginHandlers,
    clock: Clock,
    predecessor: Promise<void> = Promise.resolve(),
  ) {
    this.socket = socket;
    this.#handlers = handlers;
    this.#registering = new Runner({
      clock,
      retry: { first_ms: REGISTER_BACK_OFF_MS, most_ms: REGISTER_BACK_OFF_MS_MAX },
      run: () => predecessor.then(() => this.#register()),
      report: failureLog(log, `the plugin at ${socket.path} is not registered`),
    });
    this.#registering.request();
  }

  /**
   * Stops retrying. With `deregister`, also deregisters the plugin; a closing kubelet leaves that
   * out.
   */
  async leave(options: { deregister: boolean }): Promise<void> {
    this.#left.abort();
    await this.#registering.close();
    const plugin = this.#registered;
    if (!plugin || !options.deregister) return;
    log.info("plugin deregistered", { type: plugin.type, plugin: plugin.name });
    await this.#handlers[plugin.type]?.deregister(plugin);
  }

  async #register(): Promise<void> {
    this.#left.signal.throwIfAborted();
    const channel = connectPlugin(this.socket.path);
    const options = { timeout_ms: REGISTRATION_TIMEOUT_MS, signal: this.#left.signal };
    try {
      const registration = client(channel, Registration);
      const info = await registration.getInfo({}, options);
      const plugin = { ...info, endpoint: info.endpoint || this.socket.path };
      try {
        await this.#handlerOf(plugin).register(plugin);
      } catch (thrown) {
        const error = messageOf(thrown);
        await registration.notifyRegistrationStatus({ pluginRegistered: false, error }, options);
        throw thrown;
      }
      // The handler has the plugin from here on, also if the notification fails.
      this.#registered = plugin;
      await registration.notifyRegistrationStatus({ pluginRegistered: true }, options);
      log.info("plugin registered", { type: plugin.type, plugin: plugin.name });
    } finally {
      channel.close();
    }
  }

  #handlerOf(plugin: Plugin): PluginHandler {
    const { type, name } = plugin;
    const handler = Object.hasOwn(this.#handlers, type) ? this.#handlers[type] : undefined;
    if (handler) return handler;
    const known = Object.keys(this.#handlers).join(", ");
    throw new TypeError(`plugin ${name} has type ${type}; this kubelet takes ${known}`);
  }
}
