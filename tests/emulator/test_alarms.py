"""Alarms that ask by a query, and filters of log lines, as a template has them and CloudWatch."""

QUERY = {
    "Id": "asked",
    "Expression": 'SELECT MAX(NetworkThroughputUtilization) FROM SCHEMA("AWS/FSx", FileSystemId)',
    "Period": 300,
    "ReturnData": True,
}
LIMITS = {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 95, "EvaluationPeriods": 6}
LINES = {"MetricName": "lines", "MetricNamespace": "Mine", "MetricValue": "1"}


def test_an_alarm_by_metrics_insights_and_one_on_lines(cloud):
    """MiniStack refuses the first; AWS takes it."""
    stack = cloud.deploy(
        {
            "Busy": {
                "Type": "AWS::CloudWatch::Alarm",
                "Properties": {"AlarmName": "busy", "Metrics": [QUERY], **LIMITS},
            },
            "Log": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "scaling"}},
            "Lines": {
                "Type": "AWS::Logs::MetricFilter",
                "Properties": {
                    "LogGroupName": {"Ref": "Log"},
                    "FilterPattern": '{ $.status_code = "LAUNCH_FAILED" }',
                    "MetricTransformations": [LINES],
                },
            },
        }
    )

    assert stack.status == "CREATE_COMPLETE", stack.reasons()
    (alarm,) = cloud.client("cloudwatch").describe_alarms(AlarmNames=["busy"])["MetricAlarms"]
    assert alarm["Metrics"][0]["Expression"] == QUERY["Expression"]
    assert {name: alarm[name] for name in LIMITS} == LIMITS
    assert "MetricName" not in alarm
    filters = cloud.client("logs").describe_metric_filters(logGroupName="scaling")
    (found,) = filters["metricFilters"]
    assert found["filterName"] == stack.physical_id("Lines")
