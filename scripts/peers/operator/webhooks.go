package main

import (
	"context"
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

type siteWebhook struct{}

// setUpWebhooks serves defaulting, validation and, as v1 is a hub, conversion.
func setUpWebhooks(mgr ctrl.Manager) error {
	return ctrl.NewWebhookManagedBy(mgr, &Site{}).
		WithDefaulter(siteWebhook{}).WithValidator(siteWebhook{}).Complete()
}

func (siteWebhook) Default(_ context.Context, site *Site) error {
	if site.Spec.Message == "" {
		site.Spec.Message = "hello"
	}
	return nil
}

func validate(site *Site) (admission.Warnings, error) {
	if site.Spec.Replicas > 5 {
		return nil, fmt.Errorf("spec.replicas is %d, more than 5", site.Spec.Replicas)
	}
	if site.Spec.Replicas == 0 {
		return admission.Warnings{"a site without replicas"}, nil
	}
	return nil, nil
}

func (siteWebhook) ValidateCreate(_ context.Context, site *Site) (admission.Warnings, error) {
	return validate(site)
}

func (siteWebhook) ValidateUpdate(_ context.Context, _, site *Site) (admission.Warnings, error) {
	return validate(site)
}

func (siteWebhook) ValidateDelete(_ context.Context, site *Site) (admission.Warnings, error) {
	if site.Annotations["keep"] == "yes" {
		return nil, fmt.Errorf("%s is kept", site.Name)
	}
	return nil, nil
}
