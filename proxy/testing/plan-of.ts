import type { ServicePlan } from "../plan/model.ts";
import { planService } from "../plan/service.ts";

/** Returns the plan of a Service, whose steps it does in this turn. */
export function planOf(...service: Parameters<typeof planService>): ServicePlan {
  const steps = planService(...service);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}
