import { checkSanity } from "../csi-sanity.ts";
import { mustPass } from "../must.ts";
import { withDriver } from "./driver.ts";

checkSanity(withDriver, async (driver) => {
  await mustPass(driver.identity.getPluginInfo({}), {
    when: "GetPluginInfo",
    expected: "a name",
    why: "csi-sanity asks for it first",
  });
  return [];
});
