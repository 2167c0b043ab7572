import type { PluginInfo } from "@raft2kube/proto/gen/pluginregistration.ts";

/** A plugin's info; `endpoint` defaults to its registration socket. */
export type Plugin = PluginInfo;

/** Handles plugins of one type (`CSIPlugin`, `DevicePlugin`). */
export interface PluginHandler {
  /**
   * Registers a plugin. Called again, after `deregister`, when its socket was replaced. An error is
   * reported to the plugin, and registration is retried with back-off.
   */
  register(plugin: Plugin): Promise<void>;
  /** Removes a plugin whose registration socket was removed. */
  deregister(plugin: Plugin): Promise<void>;
}
