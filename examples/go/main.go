// A training module for runner: Gaussian naive Bayes over numeric columns.
//
// Every file and variable that it uses is one of docs/contract.md.
package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// Exit statuses of the contract.
const (
	badSpecification = 3
	badData          = 4
)

// Every fifth row is held out.
const heldOutEvery = 5

// failure ends the module with a status and an error.json.
type failure struct {
	status  int
	Message string `json:"message"`
	Row     int    `json:"row,omitempty"`
	Column  string `json:"column,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
}

func (f failure) Error() string { return f.Message }

// table holds features as numbers; labels are empty where the file has no target.
type table struct {
	columns []string
	rows    [][]float64
	labels  []string
}

// class is what naive Bayes knows of one class: its share, and mean and variance of each feature.
type class struct {
	Label    string    `json:"label"`
	Share    float64   `json:"share"`
	Mean     []float64 `json:"mean"`
	Variance []float64 `json:"variance"`
}

type model struct {
	Target  string   `json:"target"`
	Columns []string `json:"columns"`
	Classes []class  `json:"classes"`
}

func main() {
	err := run()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, err)
	f, known := err.(failure)
	if !known {
		os.Exit(1)
	}
	if err := writeJSON("/model/error.json", f); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(f.status)
}

func run() error {
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: workload train|predict")
	}
	switch os.Args[1] {
	case "train":
		return train()
	case "predict":
		return predict()
	}
	return fmt.Errorf("no such mode: %s", os.Args[1])
}

func train() error {
	target, err := readTarget(os.Getenv("PIPELINE_SPEC"))
	if err != nil {
		return err
	}
	data, err := readTable(os.Getenv("DATA_PATH"), target)
	if err != nil {
		return err
	}
	if data.labels == nil {
		return failure{status: badSpecification, Message: "the data has no column " + target, Remedy: "set target to one of its columns"}
	}
	var training, heldOut []int
	for row := range data.rows {
		if row%heldOutEvery == heldOutEvery-1 {
			heldOut = append(heldOut, row)
		} else {
			training = append(training, row)
		}
	}
	if len(heldOut) == 0 {
		return failure{status: badData, Message: fmt.Sprintf("%d rows are too few to hold any out", len(data.rows))}
	}
	fitted := fit(data, training, target)
	if len(fitted.Classes) < 2 {
		return failure{status: badData, Message: "the target has one value alone", Column: target}
	}
	accuracy, loss, err := writePredictions(fitted, data, heldOut)
	if err != nil {
		return err
	}
	if err := writeJSON("/model/model.json", fitted); err != nil {
		return err
	}
	return writeJSON("/model/metrics.json", metrics(fitted, data, len(training), len(heldOut), accuracy, loss))
}

func predict() error {
	text, err := os.ReadFile("/model/model.json")
	if err != nil {
		return err
	}
	var fitted model
	if err := json.Unmarshal(text, &fitted); err != nil {
		return err
	}
	data, err := readTable(os.Getenv("DATA_PATH"), fitted.Target)
	if err != nil {
		return err
	}
	all := make([]int, len(data.rows))
	for row := range all {
		all[row] = row
	}
	_, _, err = writePredictions(fitted, data, all)
	return err
}

// readTarget reads the one key of the specification.
func readTarget(path string) (string, error) {
	remedy := `write target = "<column>" into pipeline.toml`
	if path == "" {
		return "", failure{status: badSpecification, Message: "there is no specification", Remedy: remedy}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	for _, line := range strings.Split(string(text), "\n") {
		key, value, found := strings.Cut(line, "=")
		if !found || strings.TrimSpace(key) != "target" {
			continue
		}
		target, err := strconv.Unquote(strings.TrimSpace(value))
		if err != nil {
			return "", failure{status: badSpecification, Message: "target is no text in quotes", Remedy: remedy}
		}
		return target, nil
	}
	return "", failure{status: badSpecification, Message: "the specification names no target", Remedy: remedy}
}

func readTable(path, target string) (table, error) {
	file, err := os.Open(path)
	if err != nil {
		return table{}, err
	}
	defer file.Close()
	lines, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return table{}, failure{status: badData, Message: "this is no CSV: " + err.Error()}
	}
	if len(lines) < 2 {
		return table{}, failure{status: badData, Message: "the data has no rows"}
	}
	var data table
	at := -1
	for column, name := range lines[0] {
		if name == target {
			at = column
		} else {
			data.columns = append(data.columns, name)
		}
	}
	for number, line := range lines[1:] {
		row := make([]float64, 0, len(data.columns))
		for column, text := range line {
			if column == at {
				data.labels = append(data.labels, text)
				continue
			}
			value, err := strconv.ParseFloat(text, 64)
			if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
				return table{}, failure{status: badData, Message: fmt.Sprintf("%q is no number", text), Row: number + 1, Column: lines[0][column]}
			}
			row = append(row, value)
		}
		data.rows = append(data.rows, row)
	}
	return data, nil
}

// fit takes mean and variance of each feature within each class.
func fit(data table, rows []int, target string) model {
	members := map[string][]int{}
	var labels []string
	for _, row := range rows {
		label := data.labels[row]
		if members[label] == nil {
			labels = append(labels, label)
		}
		members[label] = append(members[label], row)
	}
	// In one order, whatever the order of the rows: maps have none.
	sort.Strings(labels)
	fitted := model{Target: target, Columns: data.columns, Classes: []class{}}
	for _, label := range labels {
		of := members[label]
		each := class{Label: label, Share: float64(len(of)) / float64(len(rows))}
		for column := range data.columns {
			var sum, squares float64
			for _, row := range of {
				sum += data.rows[row][column]
			}
			mean := sum / float64(len(of))
			for _, row := range of {
				squares += (data.rows[row][column] - mean) * (data.rows[row][column] - mean)
			}
			each.Mean = append(each.Mean, mean)
			each.Variance = append(each.Variance, squares/float64(len(of))+1e-9)
		}
		fitted.Classes = append(fitted.Classes, each)
	}
	return fitted
}

// probabilities of each class, by Bayes' rule over independent normal features.
func (m model) probabilities(row []float64) []float64 {
	logs := make([]float64, len(m.Classes))
	greatest := math.Inf(-1)
	for i, each := range m.Classes {
		logs[i] = math.Log(each.Share)
		for column, value := range row {
			distance := value - each.Mean[column]
			logs[i] -= 0.5*math.Log(2*math.Pi*each.Variance[column]) + distance*distance/(2*each.Variance[column])
		}
		greatest = math.Max(greatest, logs[i])
	}
	var sum float64
	for i := range logs {
		logs[i] = math.Exp(logs[i] - greatest)
		sum += logs[i]
	}
	for i := range logs {
		logs[i] /= sum
	}
	return logs
}

// writePredictions leaves a line for each row at PREDICTION_PATH. Accuracy and log loss need labels.
func writePredictions(m model, data table, rows []int) (accuracy, loss float64, err error) {
	path := os.Getenv("PREDICTION_PATH")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return 0, 0, err
	}
	file, err := os.Create(path)
	if err != nil {
		return 0, 0, err
	}
	defer file.Close()
	out := csv.NewWriter(file)
	header := []string{"row", "actual", "predicted"}
	for _, each := range m.Classes {
		header = append(header, "p_"+each.Label)
	}
	if err := out.Write(header); err != nil {
		return 0, 0, err
	}
	for _, row := range rows {
		probabilities := m.probabilities(data.rows[row])
		best := 0
		actual := ""
		if data.labels != nil {
			actual = data.labels[row]
		}
		line := []string{strconv.Itoa(row + 1), actual, ""}
		for i, each := range probabilities {
			if each > probabilities[best] {
				best = i
			}
			if m.Classes[i].Label == actual {
				loss -= math.Log(math.Max(each, 1e-15)) / float64(len(rows))
			}
			line = append(line, strconv.FormatFloat(each, 'g', -1, 64))
		}
		line[2] = m.Classes[best].Label
		if line[2] == actual {
			accuracy += 1 / float64(len(rows))
		}
		if err := out.Write(line); err != nil {
			return 0, 0, err
		}
	}
	out.Flush()
	return accuracy, loss, out.Error()
}

func metrics(m model, data table, training, heldOut int, accuracy, loss float64) map[string]any {
	task := "binary"
	if len(m.Classes) > 2 {
		task = "multiclass"
	}
	var labels []string
	for _, each := range m.Classes {
		labels = append(labels, each.Label)
	}
	return map[string]any{
		"contract": 1,
		"task":     task,
		"target":   m.Target,
		"classes":  labels,
		"rows":     map[string]int{"read": len(data.rows), "kept": len(data.rows), "train": training, "held_out": heldOut},
		"held_out": map[string]float64{"accuracy": accuracy, "log_loss": loss},
		"primary":  map[string]any{"name": "accuracy", "higher_is_better": true, "held_out": accuracy},
	}
}

func writeJSON(path string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o644)
}
