import type { PluginInfo } from "@raft2kube/proto/gen/pluginregistration.ts";

/**
 * A plugin as it described itself, `endpoint` filled in by its registration socket when it said
 * none.
 */
export type Plugin = PluginInfo;

/** Takes plugins of one type (`CSIPlugin`, `DevicePlugin`) into use. */
export interface PluginHandler {
  /**
   * The plugin is there. Called again, after `deregister`, when its socket was replaced. What it
   * throws is told to the plugin, and the plugin is tried again with back-off.
   */
  register(plugin: Plugin): Promise<void>;
  /** Its registration socket is gone. */
  deregister(plugin: Plugin): Promise<void>;
}
