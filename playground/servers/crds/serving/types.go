// SPDX-License-Identifier: BSD-3-Clause

// Package v2alpha1 describes BentoDeployment as the deployment operator of Kubeflow 1.9 stores it.
// Its older versions, which need a conversion webhook, are left out.
// +kubebuilder:object:generate=true
// +groupName=serving.yatai.ai
// +versionName=v2alpha1
package v2alpha1

import (
	autoscalingv2beta2 "k8s.io/api/autoscaling/v2beta2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ResourceItem holds quantities as strings; custom ones by resource name.
type ResourceItem struct {
	CPU    string            `json:"cpu,omitempty"`
	Memory string            `json:"memory,omitempty"`
	GPU    string            `json:"gpu,omitempty"`
	Custom map[string]string `json:"custom,omitempty"`
}

// Resources are what one pod asks for and may use.
type Resources struct {
	Requests *ResourceItem `json:"requests,omitempty"`
	Limits   *ResourceItem `json:"limits,omitempty"`
}

// Autoscaling becomes a HorizontalPodAutoscaler.
type Autoscaling struct {
	MinReplicas int32                                               `json:"minReplicas"`
	MaxReplicas int32                                               `json:"maxReplicas"`
	Metrics     []autoscalingv2beta2.MetricSpec                     `json:"metrics,omitempty"`
	Behavior    *autoscalingv2beta2.HorizontalPodAutoscalerBehavior `json:"behavior,omitempty"`
}

// ExtraPodMetadata is merged into the metadata of the pods.
type ExtraPodMetadata struct {
	Annotations map[string]string `json:"annotations,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
}

// ExtraPodSpec overrides scheduling and identity of the pods and adds containers.
type ExtraPodSpec struct {
	SchedulerName             string                            `json:"schedulerName,omitempty"`
	NodeSelector              map[string]string                 `json:"nodeSelector,omitempty"`
	Affinity                  *corev1.Affinity                  `json:"affinity,omitempty"`
	Tolerations               []corev1.Toleration               `json:"tolerations,omitempty"`
	TopologySpreadConstraints []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`
	Containers                []corev1.Container                `json:"containers,omitempty"`
	ServiceAccountName        string                            `json:"serviceAccountName,omitempty"`
}

// IngressTLS names the certificate of the ingress.
type IngressTLS struct {
	SecretName string `json:"secretName,omitempty"`
}

// Ingress asks for an address outside the cluster.
type Ingress struct {
	Enabled     bool              `json:"enabled,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	TLS         *IngressTLS       `json:"tls,omitempty"`
}

// MonitorExporterMount is a volume mounted into the exporter's container.
type MonitorExporterMount struct {
	Path                string `json:"path,omitempty"`
	ReadOnly            bool   `json:"readOnly,omitempty"`
	corev1.VolumeSource `json:",inline"`
}

// MonitorExporter adds a container that ships what the service monitors.
type MonitorExporter struct {
	Enabled          bool                   `json:"enabled,omitempty"`
	Output           string                 `json:"output,omitempty"`
	Options          map[string]string      `json:"options,omitempty"`
	StructureOptions []corev1.EnvVar        `json:"structureOptions,omitempty"`
	Mounts           []MonitorExporterMount `json:"mounts,omitempty"`
}

// RunnerSpec sets what one runner gets; it is matched to the Bento's runners by name.
type RunnerSpec struct {
	Name             string            `json:"name,omitempty"`
	Annotations      map[string]string `json:"annotations,omitempty"`
	Labels           map[string]string `json:"labels,omitempty"`
	Resources        *Resources        `json:"resources,omitempty"`
	Autoscaling      *Autoscaling      `json:"autoscaling,omitempty"`
	Envs             []corev1.EnvVar   `json:"envs,omitempty"`
	ExtraPodMetadata *ExtraPodMetadata `json:"extraPodMetadata,omitempty"`
	ExtraPodSpec     *ExtraPodSpec     `json:"extraPodSpec,omitempty"`
}

// BentoDeploymentSpec runs a Bento of the same namespace.
type BentoDeploymentSpec struct {
	Bento string `json:"bento"`

	Annotations      map[string]string `json:"annotations,omitempty"`
	Labels           map[string]string `json:"labels,omitempty"`
	Resources        *Resources        `json:"resources,omitempty"`
	Autoscaling      *Autoscaling      `json:"autoscaling,omitempty"`
	Envs             []corev1.EnvVar   `json:"envs,omitempty"`
	Runners          []RunnerSpec      `json:"runners,omitempty"`
	Ingress          Ingress           `json:"ingress,omitempty"`
	MonitorExporter  *MonitorExporter  `json:"monitorExporter,omitempty"`
	ExtraPodMetadata *ExtraPodMetadata `json:"extraPodMetadata,omitempty"`
	ExtraPodSpec     *ExtraPodSpec     `json:"extraPodSpec,omitempty"`
}

// BentoDeploymentStatus is written by the deployment operator.
type BentoDeploymentStatus struct {
	Conditions  []metav1.Condition `json:"conditions"`
	PodSelector map[string]string  `json:"podSelector,omitempty"`
}

// BentoDeployment runs a bento: one API server and a server for each runner.
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:storageversion
// +kubebuilder:resource:path=bentodeployments,singular=bentodeployment
// +kubebuilder:printcolumn:name="Bento",type="string",JSONPath=".spec.bento"
// +kubebuilder:printcolumn:name="Available",type="string",JSONPath=".status.conditions[?(@.type=='Available')].status"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
type BentoDeployment struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   BentoDeploymentSpec   `json:"spec,omitempty"`
	Status BentoDeploymentStatus `json:"status,omitempty"`
}
